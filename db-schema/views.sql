-- Views for the stock sqlite3 shell. See QUERIES.md.
CREATE VIEW recording AS SELECT name, value FROM option;
