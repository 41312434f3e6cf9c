PRAGMA user_version = 5;
BEGIN TRANSACTION;
CREATE TABLE audit (
        id INTEGER PRIMARY KEY AUTOINCREMENT,               -- never used again, also after the last was pruned
        attempt INTEGER REFERENCES audit ON DELETE CASCADE, -- its first record; NULL: this is the first
        at REAL NOT NULL,
        step TEXT NOT NULL,
        way TEXT NOT NULL,
        person_id INTEGER NOT NULL,
        person BLOB NOT NULL,
        guild_id INTEGER,
        category_id INTEGER,
        channel_id INTEGER,
        operation BLOB NOT NULL,
        detail BLOB NOT NULL,
        vmid INTEGER,
        guest BLOB NOT NULL,
        node BLOB NOT NULL,
        state BLOB NOT NULL,
        reason BLOB NOT NULL,
        upid BLOB NOT NULL,
        outcome BLOB NOT NULL,
        seconds REAL NOT NULL
    , message_id INTEGER, times INTEGER NOT NULL DEFAULT 1, site TEXT NOT NULL DEFAULT '');
INSERT INTO "audit" VALUES(1,NULL,1790000003.0,'asked','command',7,X'456D6D6120EDA0BD',1,2,3,X'73746F70',X'',101,X'7765623031',X'70766531',X'72756E6E696E67',X'',X'',X'',0.0,NULL,1,'');
INSERT INTO "audit" VALUES(2,1,1790000006.0,'ended','command',7,X'456D6D6120EDA0BD',1,2,3,X'73746F70',X'',101,X'7765623031',X'70766531',X'72756E6E696E67',X'',X'555049443A707665313A30303030303030313A30303030303030313A36414231334238303A716D73746F703A3130313A626F744070766521646973636F72643A',X'4F4B',2.5,NULL,1,'');
INSERT INTO "audit" VALUES(3,NULL,1790000007.0,'refused','command',7,X'456D6D6120EDA0BD',1,2,3,X'7374617274',X'',104,X'',X'',X'',X'',X'',X'4E6F74486572652829',0.0,NULL,1,'');
INSERT INTO "audit" VALUES(4,NULL,1790000008.0,'asked','command',7,X'456D6D6120EDA0BD',1,2,3,X'7374617274',X'',104,X'70616C776F726C64',X'70766532',X'73746F70706564',X'',X'',X'',0.0,NULL,1,'');
INSERT INTO "audit" VALUES(5,NULL,1790000009.0,'sent','command',7,X'456D6D61',1,2,3,X'7374617274',X'',105,X'',X'',X'',X'',X'',X'',0.0,4713,2,'');
CREATE TABLE dashboards (
        id INTEGER PRIMARY KEY,
        site TEXT NOT NULL,
        mark TEXT NOT NULL UNIQUE,
        channel_id INTEGER NOT NULL,
        extent BLOB NOT NULL,       -- what it shows, as JSON
        json TEXT NOT NULL,         -- the whole dashboard
        UNIQUE (site, channel_id, extent)
    );
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
    , site TEXT NOT NULL DEFAULT '');
INSERT INTO "incidents" VALUES(17,1790000000.0,NULL,'guest','{"id":17,"topic":"guest","subject":"guest/101","level":"critical","opened":1790000000.0,"began":1.0,"guests":[{"vmid":101,"what":"stopped","kind":"qemu","node":"pve1","name":"web01 \ud83d"}]}','');
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
    , site TEXT NOT NULL DEFAULT '');
INSERT INTO "messages" VALUES(18,'opening',1790000000.0,'{"id":18,"post":"opening","created":1790000000.0,"incidents":[17]}',17,'posted',4711,0,0,X'',1790000002.0,0.0,1,1,X'','');
INSERT INTO "messages" VALUES(19,'word',1790000001.0,'{"id":19,"post":"word","created":1790000001.0,"text":"hello"}',NULL,'waiting',NULL,0,0,X'',0.0,0.0,0,0,X'','');
CREATE TABLE meta (name TEXT NOT NULL PRIMARY KEY, value NOT NULL);
INSERT INTO "meta" VALUES('run',1);
INSERT INTO "meta" VALUES('nonce_prefix','xtm9xehpv3');
INSERT INTO "meta" VALUES('audit_posting','{"posted":2,"there":4712}');
CREATE TABLE probe (id INTEGER PRIMARY KEY, value BLOB NOT NULL);
CREATE TABLE records (key BLOB NOT NULL PRIMARY KEY, value BLOB NOT NULL);
INSERT INTO "records" VALUES(X'70756C7365',X'7B226C6173745F6964223A31397D');
INSERT INTO "records" VALUES(X'6F7264657265642F313032',X'456D6D61');
INSERT INTO "records" VALUES(X'6163636573732F726561645F6F6E6C79',X'7B226279223A2022416B696B6F222C202273696E6365223A20313739303030303030302E307D');
CREATE INDEX incidents_open ON incidents (id) WHERE ended IS NULL;
CREATE INDEX incident_guests_incident ON incident_guests (incident);
CREATE INDEX messages_status ON messages (status);
CREATE INDEX messages_incident ON messages (incident);
CREATE INDEX audit_later ON audit (attempt) WHERE attempt IS NOT NULL;
CREATE INDEX audit_first ON audit (id, at) WHERE attempt IS NULL;
CREATE TRIGGER audit_never_changed BEFORE UPDATE ON audit
    BEGIN
        SELECT RAISE(ABORT, 'the audit trail is only added to');
    END;
CREATE TRIGGER audit_never_replaced BEFORE INSERT ON audit WHEN EXISTS (SELECT 1 FROM audit WHERE id = NEW.id)
    BEGIN
        SELECT RAISE(ABORT, 'the audit trail is only added to');
    END;
CREATE INDEX incidents_site ON incidents (site, id);
CREATE INDEX messages_site ON messages (site, status);
CREATE INDEX audit_site ON audit (site, id, at, vmid, person_id, operation) WHERE attempt IS NULL;
CREATE INDEX audit_vmid ON audit (vmid, id, at, person_id, operation, site) WHERE attempt IS NULL;
CREATE INDEX audit_person ON audit (person_id, id, at, vmid, operation, site) WHERE attempt IS NULL;
CREATE INDEX audit_operation ON audit (operation, id, at, vmid, person_id, site) WHERE attempt IS NULL;
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('audit',5);
COMMIT;
