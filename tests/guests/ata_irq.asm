; An ATA disk by interrupts: IRQ 14 comes for each sector that is ready to be read, and for each that was written. The image
; is attached copy-on-write: what was written can be read back, and is not in the file.
;@ disk 2048,cow
;@ handoff taken 4eh
;@ untouched 1000
;@ sql SELECT count(*) >= 9 FROM irq_handoffs WHERE vector = 0x4e AND outcome = 'taken'
;@ sql SELECT count(*) = 4 FROM disk_accesses WHERE access = 'write' AND sector BETWEEN 1000 AND 1003
;@ sql SELECT count(*) = 0 FROM disk_accesses WHERE access = 'failed'
%include "guest.inc"
%include "ata.inc"
%define COUNT  500h
%define BUFFER 1000h
        GUEST "ata_irq"
        SET_VECTOR PIC_VECTOR + 14, disk
        INIT_PIC 0bffbh                 ; IRQ 14 and the cascade
        ATA_OUT ATA_CONTROL, 0
        ; four sectors are written: an interrupt after each
        mov dword [COUNT], 0
        ATA_COMMAND ATA_WRITE_SECTORS, 1000, 4
        mov ebx, 0
.write: mov di, BUFFER
        mov cx, 128
        lea eax, [ebx + 0a5a50000h]
        rep stosd
        ATA_GIVE BUFFER, 256
        inc ebx
        call wait_for_disk
        cmp ebx, 4
        jb .write
        EXPECT al, 50h, "status after writing"
        ; five are read, from the one before: an interrupt before each
        mov dword [COUNT], 0
        ATA_COMMAND ATA_READ_SECTORS, 999, 5
        mov ebx, 0
.read:  inc ebx
        call wait_for_disk
        EXPECT al, 58h, "no data to read"
        ATA_TAKE BUFFER, 256
        cmp ebx, 1
        jne .own
        EXPECT dword [BUFFER], 999, "number of the sector"
        jmp .next
.own:   lea eax, [ebx + 0a5a50000h - 2]
        EXPECT [BUFFER], eax, "first words"
        EXPECT [BUFFER + 508], eax, "last words"
.next:  cmp ebx, 5
        jb .read
        ATA_EXPECT 50h, "status after reading"
        PASS

; until the interrupt number EBX has come; its status to AL
wait_for_disk:
        cli
        cmp [COUNT], ebx
        jae .came
        sti
        hlt
        jmp wait_for_disk
.came:  sti
        mov al, [COUNT + 4]
        ret

disk:   push ax
        push dx
        inc dword [COUNT]
        mov dx, ATA_STATUS              ; ends the interrupt
        in al, dx
        mov [COUNT + 4], al
        mov al, 20h
        out 0a0h, al
        END_OF_INTERRUPT
        pop dx
        pop ax
        iret
