PRAGMA user_version = 1;
BEGIN TRANSACTION;
CREATE TABLE incident_guests (
        vmid INTEGER NOT NULL,
        incident INTEGER NOT NULL REFERENCES incidents ON DELETE CASCADE,
        PRIMARY KEY (vmid, incident)
    );
INSERT INTO "incident_guests" VALUES(101,17);
CREATE TABLE incidents (
        id INTEGER PRIMARY KEY,
        opened REAL NOT NULL,
        ended REAL,                 -- NULL: open
        topic TEXT NOT NULL,
        json TEXT NOT NULL
    );
INSERT INTO "incidents" VALUES(17,1790000000.0,NULL,'guest','{"id":17,"topic":"guest","subject":"guest/101","level":"critical","opened":1790000000.0,"began":1.0,"guests":[{"vmid":101,"what":"stopped","kind":"qemu","node":"pve1","name":"web01 \ud83d"}]}');
CREATE TABLE messages (
        id INTEGER PRIMARY KEY,
        post TEXT NOT NULL,
        created REAL NOT NULL,
        json TEXT NOT NULL,
        incident INTEGER,           -- the first it speaks of, whose changes make new editions
        status TEXT NOT NULL DEFAULT 'waiting'
            CHECK (status IN ('waiting', 'posted', 'given_up', 'absorbed')),
        discord_id INTEGER,
        wanted INTEGER NOT NULL DEFAULT 0,
        shown INTEGER NOT NULL DEFAULT 0,
        tried BLOB NOT NULL DEFAULT x'',
        tried_at REAL NOT NULL DEFAULT 0,
        late REAL NOT NULL DEFAULT 0,
        run INTEGER NOT NULL DEFAULT 0,
        attempts INTEGER NOT NULL DEFAULT 0,
        error BLOB NOT NULL DEFAULT x''
    );
INSERT INTO "messages" VALUES(18,'opening',1790000000.0,'{"id":18,"post":"opening","created":1790000000.0,"incidents":[17]}',17,'posted',4711,0,0,X'',1790000002.0,0.0,1,1,X'');
INSERT INTO "messages" VALUES(19,'word',1790000001.0,'{"id":19,"post":"word","created":1790000001.0,"text":"hello"}',NULL,'waiting',NULL,0,0,X'',0.0,0.0,0,0,X'');
CREATE TABLE meta (name TEXT NOT NULL PRIMARY KEY, value NOT NULL);
INSERT INTO "meta" VALUES('run',1);
INSERT INTO "meta" VALUES('nonce_prefix','o2d1d4qsae');
CREATE TABLE records (key BLOB NOT NULL PRIMARY KEY, value BLOB NOT NULL);
INSERT INTO "records" VALUES(X'70756C7365',X'7B226C6173745F6964223A31397D');
INSERT INTO "records" VALUES(X'6F7264657265642F313032',X'456D6D61');
INSERT INTO "records" VALUES(X'6163636573732F726561645F6F6E6C79',X'7B226279223A2022416B696B6F222C202273696E6365223A20313739303030303030302E307D');
CREATE INDEX incidents_open ON incidents (id) WHERE ended IS NULL;
CREATE INDEX incident_guests_incident ON incident_guests (incident);
CREATE INDEX messages_status ON messages (status);
CREATE INDEX messages_incident ON messages (incident);
COMMIT;
