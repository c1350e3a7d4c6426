; A 64-bit kernel as ELF with a PVH entry: entered in 32-bit mode, goes on in 64-bit mode.
;@ kernel
;@ link elf_x86_64
;@ append to be or not
;@ module [first] with text
;@ module [second]
;@ reason 30 10
;@ console command line: to be or not
;@ console module: [first] with text
;@ console module: [second] without text
;@ console memory: 00000000 000a0000 00000001
;@ console memory: 00100000 00700000 00000001
;@ console [64-bit]
;@ sql SELECT value = 'pvh' FROM option WHERE name = 'kernel_format'
;@ sql SELECT value = 'protected' FROM option WHERE name = 'entry_mode'
%include "kernel.inc"
global _start
section .note.Xen note alloc noexec nowrite align=4
        dd 4, 4, 18                     ; XEN_ELFNOTE_PHYS32_ENTRY
        db "Xen", 0
        dd pvh_entry

section .text
_start: jmp $                           ; not the entry
pvh_entry:
        KERNEL_ENTRY "pvh_elf64"
        EXPECT dword [ebx], 336ec578h, "magic number of the start info"
        EXPECT dword [ebx + 4], 1, "version of the start info"
        EXPECT dword [ebx + 8], 0, "flags of the start info"
        mov eax, [ebx + 32]
        EXPECT dword [eax], "RSD ", "RSDP"
        PRINT "command line: "
        mov esi, [ebx + 24]
        call print_text
        call new_line
        mov ecx, [ebx + 12]
        EXPECT ecx, 2, "number of modules"
        mov edx, [ebx + 16]
next_module:
        push ecx
        PRINT "module: "
        mov esi, [edx]
        mov ecx, [edx + 8]
        test esi, 0fffh
        CHECK z, "module is not page-aligned"
        call print_bytes
        mov al, " "
        out PORT_PRINT, al
        mov esi, [edx + 16]
        test esi, esi
        jnz .text
        PRINT "without text"
        jmp .printed
.text:  call print_text
.printed:
        call new_line
        add edx, 32
        pop ecx
        dec ecx
        jnz next_module
        mov ecx, [ebx + 48]
        mov edx, [ebx + 40]
next_run:
        PRINT "memory: "
        mov eax, [edx]
        call print_hex
        mov al, " "
        out PORT_PRINT, al
        mov eax, [edx + 8]
        call print_hex
        mov al, " "
        out PORT_PRINT, al
        mov eax, [edx + 16]
        call print_hex
        call new_line
        add edx, 24
        dec ecx
        jnz next_run
        ; the page tables go where the start info may have been
        IDENTITY_LONG
        ENTER_LONG
        mov rax, 123456789abcdef0h
        mov [wide], rax
        EXPECT dword [wide + 4], 12345678h, "64-bit store"
        PRINT "[64-bit]", 10
        PASS
bits 32
KERNEL_CODE
TABLES
section .bss
wide:   resq 1
