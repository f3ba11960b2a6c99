/* Locks that are taken by helpers, and calls that are made by wrappers. */

static void hit_lock_of_kvm(struct kvm *kvm)
{
	KVM_MMU_LOCK(kvm);
	if (other())
		kvm_flush_remote_tlbs(kvm);
	KVM_MMU_UNLOCK(kvm);
}

static void hit_lock_passed(struct mm_struct *mm, pmd_t *pmd, unsigned long address)
{
	spinlock_t *ptl;
	pte_t *pte = pte_offset_map_lock(mm, pmd, address, &ptl);

	if (!pte)
		return;
	ptep_clear_flush(vma, address, pte);
	pte_unmap_unlock(pte, ptl);
}

static void hit_lock_passed_and_dropped(atomic_t *count)
{
	if (!atomic_dec_and_lock(count, &lock))
		return;
	on_each_cpu(func, NULL, 1);
	spin_unlock(&lock);
}

static void hit_lock_returned(struct mm_struct *mm, pmd_t *pmd)
{
	spinlock_t *ptl;

	ptl = pmd_lock(mm, pmd);
	tlb_flush_mmu_tlbonly(tlb);
	spin_unlock(ptl);
}

static void hit_lock_returned_in_declaration(struct mm_struct *mm, pmd_t *pmd)
{
	spinlock_t *ptl = pmd_trans_huge_lock(pmd, vma);

	pmdp_huge_clear_flush(vma, address, pmd);
	spin_unlock(ptl);
}

static void hit_lock_of_rmap(struct folio *folio)
{
	while (page_vma_mapped_walk(&pvmw))
		ptep_clear_flush(vma, pvmw.address, pvmw.pte);
}

static void hit_lock_of_folio_walk(struct vm_area_struct *vma, unsigned long address)
{
	struct folio_walk fw;

	if (!folio_walk_start(&fw, vma, address, 0))
		return;
	ptep_clear_flush(vma, address, fw.ptep);
	folio_walk_end(&fw, vma);
}

static void hit_lock_bit(unsigned long *word)
{
	bit_spin_lock(0, word);
	on_each_cpu(func, NULL, 1);
	bit_spin_unlock(0, word);
}

static void hit_lock_seq(void)
{
	write_seqlock(&sl);
	on_each_cpu(func, NULL, 1);
	write_sequnlock(&sl);
}

static void hit_lock_seqcount(void)
{
	write_seqcount_begin(&seqcount);
	on_each_cpu(func, NULL, 1);
	write_seqcount_end(&seqcount);
}

static void hit_lock_local(void)
{
	local_lock(&percpu.lock);
	on_each_cpu(func, NULL, 1);
	local_unlock(&percpu.lock);
}

static void hit_preempt_percpu(void)
{
	struct data *data = get_cpu_ptr(&percpu_data);

	loaded_vmcs_clear(data->vmcs);
	put_cpu_ptr(&percpu_data);
}

static void hit_asserted_lock(struct kvm *kvm)
{
	lockdep_assert_held_write(&kvm->mmu_lock);
	kvm_flush_remote_tlbs(kvm);
}

static void miss_flush_after_unlock(struct mm_struct *mm, pmd_t *pmd, unsigned long address)
{
	spinlock_t *ptl;
	pte_t *pte = pte_offset_map_lock(mm, pmd, address, &ptl);

	pte_unmap_unlock(pte, ptl);
	ptl = pmd_lock(mm, pmd);
	spin_unlock(ptl);
	tlb_flush_mmu_tlbonly(tlb);
	KVM_MMU_LOCK(kvm);
	KVM_MMU_UNLOCK(kvm);
	kvm_flush_remote_tlbs(kvm);
}
