-- Disks: what was read from them is an input; what was written, and flushes, are effects. In both, address is a byte
-- offset and value the number of the disk.
INSERT INTO names SELECT 'input_kind', * FROM (VALUES (7, 'disk'), (8, 'disk fault'));
INSERT INTO names SELECT 'effect_kind', * FROM (VALUES (4, 'disk write'), (5, 'disk flush'));
