-- The formats of imported keys, one on each line. Whichever program imports a key notes its format, so that every engine reads
-- the texts of the keys that the database has.
ALTER TABLE meta ADD COLUMN imported_formats text COLLATE "C" NOT NULL DEFAULT '';

CREATE FUNCTION note_formats() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
  new_format text;
BEGIN
  FOR new_format IN SELECT DISTINCT c.format FROM changed c WHERE left(c.format, 1) = '~' LOOP
    UPDATE meta SET imported_formats = imported_formats || new_format || E'\n'
    WHERE strpos(E'\n' || imported_formats, E'\n' || new_format || E'\n') = 0;
    IF FOUND THEN
      -- Whoever hears of it asks for everything, and with it for the formats.
      PERFORM notify_change(NULL, NULL);
    END IF;
  END LOOP;
  RETURN NULL;
END $$;
REVOKE EXECUTE ON FUNCTION note_formats() FROM PUBLIC;

CREATE TRIGGER secrets_imported AFTER INSERT ON secrets REFERENCING NEW TABLE AS changed EXECUTE FUNCTION note_formats();

-- Their prefixes do not end with the lookup.
CREATE INDEX secrets_imported_prefix ON secrets (prefix) WHERE left(format, 1) = '~';
