; A Multiboot kernel as ELF, with everything that it can be handed.
;@ kernel
;@ link elf_i386
;@ append first "second word" third=3
;@ module [one] module one
;@ module [two]
;@ module [three] 3
;@ reason 30 100
;@ console guests/multiboot_elf.bin first "second word" third=3
;@ console loader: hwaccl
;@ console module: [one] module one
;@ console module: [two] without text
;@ console module: [three] 3
;@ console memory: 00000000 000a0000 00000001
;@ console memory: 000f0000 00010000 00000002
;@ console memory: 00100000 00700000 00000001
;@ sql SELECT value = 'multiboot' FROM option WHERE name = 'kernel_format'
;@ sql SELECT value = 'first "second word" third=3' FROM option WHERE name = 'kernel_command_line'
;@ sql SELECT value = 'protected' FROM option WHERE name = 'entry_mode'
%include "kernel.inc"
global _start
section .text
%define FLAGS 3                         ; page-aligned modules, memory information
align 4
header: dd 1badb002h, FLAGS, -(1badb002h + FLAGS)

_start: KERNEL_ENTRY "multiboot_elf"
        EXPECT edi, 2badb002h, "EAX is not the boot loader's magic number"
        mov eax, [ebx]
        and eax, 26dh                   ; memory, command line, modules, sections, memory map, loader name
        EXPECT eax, 26dh, "information that is missing"
        EXPECT dword [ebx + 4], 640, "mem_lower"
        EXPECT dword [ebx + 8], 7 * 1024, "mem_upper"
        EXPECT dword [0f0000h], "RSD ", "RSDP in the BIOS area"
        PRINT "command line: "
        mov esi, [ebx + 16]
        call print_text
        call new_line
        PRINT "loader: "
        mov esi, [ebx + 64]
        call print_text
        call new_line
        ; what was loaded, and what was not but has to be zero
        EXPECT dword [loaded], "load", ".data"
        mov edi, cleared
        mov ecx, 1000h
        xor eax, eax
        repe scasd
        CHECK e, ".bss is not zero"
        ; modules
        mov ecx, [ebx + 20]
        EXPECT ecx, 3, "number of modules"
        mov edx, [ebx + 24]
next_module:
        push ecx
        PRINT "module: "
        mov esi, [edx]
        mov ecx, [edx + 4]
        test esi, 0fffh
        CHECK z, "module is not page-aligned"
        cmp esi, end_of_kernel
        CHECK ae, "module lies in the kernel"
        sub ecx, esi
        call print_bytes
        mov al, " "
        out PORT_PRINT, al
        mov esi, [edx + 8]
        test esi, esi
        jnz .text
        PRINT "without text"
        jmp .printed
.text:  call print_text
.printed:
        call new_line
        EXPECT dword [edx + 12], 0, "reserved field of a module"
        add edx, 16
        pop ecx
        dec ecx
        jnz next_module
        ; the map of memory
        mov ecx, [ebx + 44]
        mov edx, [ebx + 48]
        add ecx, edx
next_run:
        PRINT "memory: "
        EXPECT dword [edx + 8], 0, "address above 4 GiB"
        EXPECT dword [edx + 16], 0, "size above 4 GiB"
        mov eax, [edx + 4]
        call print_hex
        mov al, " "
        out PORT_PRINT, al
        mov eax, [edx + 12]
        call print_hex
        mov al, " "
        out PORT_PRINT, al
        mov eax, [edx + 20]
        call print_hex
        call new_line
        add edx, [edx]
        add edx, 4
        cmp edx, ecx
        jb next_run
        CHECK e, "map of memory ends within an entry"
        ; the names of the image's sections were loaded too: the first one's is empty, ".text" comes somewhere
        EXPECT dword [ebx + 32], 40, "size of a section header"
        mov eax, [ebx + 40]
        cmp eax, [ebx + 28]
        CHECK b, "section of names is none of the sections"
        imul eax, 40
        add eax, [ebx + 36]
        mov edi, [eax + 12]
        test edi, edi
        CHECK nz, "names of sections are not loaded"
        mov ecx, [eax + 20]
next_name:
        cmp dword [edi], ".tex"
        je named
        inc edi
        loop next_name
        FAIL "no section is named .text"
named:  PASS

KERNEL_CODE
TABLES
section .data progbits alloc noexec write align=4
loaded: dd "load"
section .bss
cleared:
        resb 4000h
end_of_kernel:
