/*
 * Performance states for the guest's four CPUs, of which QEMU has none.
 *
 * The control and the status register are one byte, the scratch register of the first serial
 * port (0x3ff), which keeps what is written and does nothing. All CPUs change their state
 * together, by software on each of them (coordination SW_ALL), so that the driver
 * acpi-cpufreq has each write.
 */
DefinitionBlock ("", "SSDT", 2, "TEST", "PSTATES", 1)
{
    External (\_SB.CPUS.C000, DeviceObj)
    External (\_SB.CPUS.C001, DeviceObj)
    External (\_SB.CPUS.C002, DeviceObj)
    External (\_SB.CPUS.C003, DeviceObj)

    Name (\_SB.PSCT, Package ()
    {
        ResourceTemplate () { Register (SystemIO, 8, 0, 0x3FF) },
        ResourceTemplate () { Register (SystemIO, 8, 0, 0x3FF) }
    })
    /* MHz, mW, us until it is there, us without the bus, control, status */
    Name (\_SB.PSST, Package ()
    {
        Package () { 2000, 2000, 10, 10, 0x20, 0x20 },
        Package () { 1500, 1500, 10, 10, 0x15, 0x15 },
        Package () { 1000, 1000, 10, 10, 0x10, 0x10 }
    })
    /* entries, revision, domain, SW_ALL, CPUs */
    Name (\_SB.PSDM, Package () { Package () { 5, 0, 0, 0xFC, 4 } })

    Scope (\_SB.CPUS.C000)
    {
        Method (_PCT) { Return (\_SB.PSCT) }
        Method (_PSS) { Return (\_SB.PSST) }
        Method (_PSD) { Return (\_SB.PSDM) }
        Name (_PPC, 0)
    }
    Scope (\_SB.CPUS.C001)
    {
        Method (_PCT) { Return (\_SB.PSCT) }
        Method (_PSS) { Return (\_SB.PSST) }
        Method (_PSD) { Return (\_SB.PSDM) }
        Name (_PPC, 0)
    }
    Scope (\_SB.CPUS.C002)
    {
        Method (_PCT) { Return (\_SB.PSCT) }
        Method (_PSS) { Return (\_SB.PSST) }
        Method (_PSD) { Return (\_SB.PSDM) }
        Name (_PPC, 0)
    }
    Scope (\_SB.CPUS.C003)
    {
        Method (_PCT) { Return (\_SB.PSCT) }
        Method (_PSS) { Return (\_SB.PSST) }
        Method (_PSD) { Return (\_SB.PSDM) }
        Name (_PPC, 0)
    }
}
