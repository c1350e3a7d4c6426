; An ATA disk by polling: it is identified, read, written and read back, a sector and a block at a time. Every sector of the
; image begins with its number. What was written is in the file.
;@ disk 100
;@ sector 7 this is sector seven
;@ sector 8 and this is number 8
;@ sector 64 block
;@ sector 73 block
;@ sql SELECT count(*) = 10 FROM disk_accesses WHERE access = 'read' AND sector BETWEEN 40 AND 49 AND sectors = 1
;@ sql SELECT group_concat(access || sector || '+' || sectors, ' ') = 'write64+8 write72+2 read64+8 read72+2' FROM (SELECT * FROM disk_accesses WHERE sector BETWEEN 64 AND 73 ORDER BY id)
;@ sql SELECT count(*) = 1 FROM disk_accesses WHERE access = 'flush' AND disk = 0
;@ sql SELECT sum(length(data)) = 10 * 512 FROM inputs WHERE kind = 'disk' AND address BETWEEN '0x5000' AND '0x6200' AND length(address) = 6
%include "guest.inc"
%include "ata.inc"
%define BUFFER 1000h
        GUEST "ata_pio"
        ATA_OUT ATA_CONTROL, 2
        ; what it is
        ATA_COMMAND ATA_IDENTIFY, 0, 0
        ATA_EXPECT 58h, "no data to identify"
        ATA_TAKE BUFFER, 256
        ATA_EXPECT 50h, "status after identify"
        EXPECT dword [BUFFER + 60 * 2], 100, "number of sectors"
        EXPECT word [BUFFER + 27 * 2], "wh", "model"
        ; ten sectors, one at a time
        ATA_COMMAND ATA_READ_SECTORS, 40, 10
        mov ebx, 40
.read:  ATA_EXPECT 58h, "no data to read"
        ATA_TAKE BUFFER, 256
        EXPECT [BUFFER], ebx, "number of the sector"
        inc ebx
        cmp ebx, 50
        jb .read
        ATA_EXPECT 50h, "status after reading"
        ; two are written
        ATA_COMMAND ATA_WRITE_SECTORS, 7, 2
        ATA_EXPECT 58h, "no data to write"
        ATA_GIVE .seven, 256
        ATA_EXPECT 58h, "no more data to write"
        ATA_GIVE .eight, 256
        ATA_EXPECT 50h, "status after writing"
        ATA_COMMAND ATA_READ_SECTORS, 8, 1
        ATA_EXPECT 58h, "no data to read back"
        ATA_TAKE BUFFER, 256
        mov si, .eight
        mov di, BUFFER
        mov cx, 256
        repe cmpsw
        CHECK e, "what is read back is not what was written"
        ; ten in blocks of eight
        mov di, BUFFER
        mov cx, 5120
        mov al, 'x'
        rep stosb
        mov dword [BUFFER], "bloc"
        mov byte [BUFFER + 4], 'k'
        mov dword [BUFFER + 9 * 512], "bloc"
        mov byte [BUFFER + 9 * 512 + 4], 'k'
        ATA_COMMAND ATA_SET_MULTIPLE, 0, 8
        ATA_EXPECT 50h, "blocks of eight"
        ATA_COMMAND ATA_WRITE_MULTIPLE, 64, 10
        ATA_EXPECT 58h, "no block to write"
        ATA_GIVE BUFFER, 8 * 256
        ATA_EXPECT 58h, "no second block to write"
        ATA_GIVE BUFFER + 8 * 512, 2 * 256
        ATA_EXPECT 50h, "status after writing blocks"
        ATA_COMMAND ATA_READ_MULTIPLE, 64, 10
        ATA_EXPECT 58h, "no block to read"
        ATA_TAKE BUFFER + 2000h, 8 * 256
        ATA_EXPECT 58h, "no second block to read"
        ATA_TAKE BUFFER + 3000h, 2 * 256
        ATA_EXPECT 50h, "status after reading blocks"
        mov si, BUFFER
        mov di, BUFFER + 2000h
        mov cx, 2560
        repe cmpsw
        CHECK e, "the blocks read back are not what was written"
        ATA_COMMAND ATA_FLUSH, 0, 0
        ATA_EXPECT 50h, "status after flushing"
        ; past the end
        ATA_COMMAND ATA_READ_SECTORS, 100, 1
        ATA_EXPECT 51h, "a sector past the end is no error"
        mov dx, ATA_ERROR
        in al, dx
        EXPECT al, 10h, "error of a sector past the end"
        ; there is no device 1
        ATA_OUT ATA_DEVICE, 0f0h
        ATA_OUT ATA_STATUS, ATA_IDENTIFY
        ATA_EXPECT 0, "status of an absent device 1"
        PASS
align 512, db 0
.seven: db "this is sector seven"
        times 512 - ($ - .seven) db 7
.eight: db "and this is number 8"
        times 512 - ($ - .eight) db 8
