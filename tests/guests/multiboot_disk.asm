; A Multiboot kernel that says who loaded it, and reads the first sector of the first disk. GRUB loads it too, from a disk.
;@ kernel
;@ append from nowhere
;@ disk 64,ro
;@ console guests/multiboot_disk.bin from nowhere
;@ console loader: hwaccl
;@ console sector 0 ends with 00000000
%include "kernel.inc"
%include "ata.inc"
%define LOAD   200000h
%define FLAGS  10003h
%define BUFFER 300000h
org LOAD
load_start:
align 4
header: dd 1badb002h, FLAGS, -(1badb002h + FLAGS)
        dd header, load_start, load_end, load_end, entry

entry:  KERNEL_ENTRY "multiboot_disk"
        EXPECT edi, 2badb002h, "EAX is not the boot loader's magic number"
        test dword [ebx], 4
        CHECK nz, "there is no command line"
        test dword [ebx], 200h
        CHECK nz, "the loader has no name"
        PRINT "command line: "
        mov esi, [ebx + 16]
        call print_text
        call new_line
        PRINT "loader: "
        mov esi, [ebx + 64]
        call print_text
        call new_line
        ATA_OUT ATA_CONTROL, 2
        ATA_COMMAND ATA_READ_SECTORS, 0, 1
        ATA_EXPECT 58h, "no data to read"
        ATA_TAKE BUFFER, 256
        PRINT "sector 0 ends with "
        movzx eax, word [BUFFER + 510]
        call print_hex
        call new_line
        PASS
KERNEL_CODE
TABLES
load_end:
