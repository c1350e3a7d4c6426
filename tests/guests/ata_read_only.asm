; An ATA disk that is attached read-only: it is read, and writes are aborted.
;@ disk 64,ro
;@ untouched 5
;@ sql SELECT count(*) = 0 FROM effects WHERE kind IN ('disk write', 'disk flush')
%include "guest.inc"
%include "ata.inc"
%define BUFFER 1000h
        GUEST "ata_read_only"
        ATA_OUT ATA_CONTROL, 2
        ATA_COMMAND ATA_READ_SECTORS, 5, 1
        ATA_EXPECT 58h, "no data to read"
        ATA_TAKE BUFFER, 256
        EXPECT dword [BUFFER], 5, "number of the sector"
        ATA_COMMAND ATA_WRITE_SECTORS, 5, 1
        ATA_EXPECT 51h, "a write is no error"
        mov dx, ATA_ERROR
        in al, dx
        EXPECT al, 4, "a write is not aborted"
        ATA_COMMAND ATA_FLUSH, 0, 0
        ATA_EXPECT 50h, "nothing to flush is an error"
        PASS
