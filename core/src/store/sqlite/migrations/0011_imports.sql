-- The formats of imported keys, one on each line. Whichever program imports a key notes its format, so that every engine reads
-- the texts of the keys that the database has.
ALTER TABLE meta ADD COLUMN imported_formats TEXT NOT NULL DEFAULT '';

CREATE TRIGGER secrets_imported AFTER INSERT ON secrets
WHEN substr(NEW.format, 1, 1) = '~' AND NOT EXISTS (
  SELECT 1 FROM meta WHERE instr(char(10) || imported_formats, char(10) || NEW.format || char(10)) > 0
) BEGIN
  UPDATE meta SET imported_formats = imported_formats || NEW.format || char(10);
END;

-- Their prefixes do not end with the lookup.
CREATE INDEX secrets_imported_prefix ON secrets (prefix) WHERE substr(format, 1, 1) = '~';
