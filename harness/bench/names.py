"""How what is measured is called and shown: functions, preemption models, times."""

# What demo/wakeup.c can call (entries), in the order of the table.
FUNCTIONS = {
    "single": "smp_call_function_single()",
    "any": "smp_call_function_any()",
    "many": "smp_call_function_many()",
    "on_each": "on_each_cpu()",
    "cond": "on_each_cpu_cond_mask()",
    "single_again": "..._single(), csd in use",
    "many_again": "..._many(), csd in use",
    "third": "..._many(), third task",
}

# The preemption models of a kernel with PREEMPT_DYNAMIC, and where they are met.
MODELS = {
    "full": "the default of Raspberry Pi OS and Android",
    "voluntary": "the default of Debian, RHEL and SLES",
    "none": "the kernel's own default",
}


def show(nanoseconds: float) -> str:
    """A time with three digits and its unit: 1.93 us, 64.0 ms."""
    for unit, size in (("s", 1e9), ("ms", 1e6), ("us", 1e3)):
        if nanoseconds >= size * 0.9995:
            value = nanoseconds / size
            return f"{value:.{max(0, 2 - (value >= 9.995) - (value >= 99.95))}f} {unit}"
    return f"{nanoseconds:.0f} ns"


def hold_name(nanoseconds: int) -> str:
    """A hold in milliseconds, without needless digits: 0.1 ms."""
    return f"{nanoseconds / 1e6:g} ms"
