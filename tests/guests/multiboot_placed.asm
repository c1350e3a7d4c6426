; A Multiboot kernel without ELF: the addresses are in its header (the "a.out kludge"), which is not where the loading starts,
; and the loading ends before the file does.
;@ kernel
;@ append none
;@ reason 30 10
;@ console guests/multiboot_placed.bin none
;@ sql SELECT value = 'multiboot' FROM option WHERE name = 'kernel_format'
;@ sql SELECT count(*) = 1 FROM option WHERE name LIKE 'loaded_%' AND value LIKE '0x200000+0x%'
%include "kernel.inc"
%define LOAD  200000h
%define JUNK  256                       ; bytes of the file before those that are loaded
%define FLAGS 10003h
%define BSS_SIZE 10000h
org LOAD - JUNK
        times JUNK db 0cch
load_start:
        jmp $                           ; not the entry
align 16
header: dd 1badb002h, FLAGS, -(1badb002h + FLAGS)
        dd header, load_start, load_end, bss_end, entry

entry:  KERNEL_ENTRY "multiboot_placed"
        EXPECT edi, 2badb002h, "EAX is not the boot loader's magic number"
        mov eax, [ebx]
        and eax, 6dh                    ; memory, command line, modules, sections, memory map
        EXPECT eax, 4dh, "information that is missing, or is of no ELF image"
        EXPECT dword [ebx + 20], 0, "number of modules"
        PRINT "command line: "
        mov esi, [ebx + 16]
        call print_text
        call new_line
        EXPECT dword [LOAD - 4], 0, "something was loaded before the image"
        mov edi, load_end
        mov ecx, BSS_SIZE
        xor eax, eax
        repe scasb
        CHECK e, "the zeroed part is not zero"
        EXPECT dword [last], "last", "the end of the image is missing"
        PASS
KERNEL_CODE
TABLES
last:   dd "last"
load_end:
bss_end equ load_end + BSS_SIZE
        times 64 db 0cch
