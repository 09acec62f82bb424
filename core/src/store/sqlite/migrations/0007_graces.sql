-- The end 0 of a grace says that it is over whatever the clock shows. Whichever program writes, a grace never gets longer,
-- and one that is over never begins again.
CREATE TRIGGER secrets_shortened BEFORE UPDATE OF grace_ends_at ON secrets
WHEN OLD.grace_ends_at IS NOT NULL AND (NEW.grace_ends_at IS NULL OR NEW.grace_ends_at > OLD.grace_ends_at) BEGIN
  SELECT RAISE(ABORT, 'a grace never gets longer');
END;
CREATE TRIGGER secrets_not_replaced BEFORE INSERT ON secrets
WHEN EXISTS (SELECT 1 FROM secrets WHERE lookup = NEW.lookup AND grace_ends_at = 0) BEGIN
  SELECT RAISE(ABORT, 'the end of a grace is final');
END;
CREATE TRIGGER secrets_kept BEFORE DELETE ON secrets WHEN OLD.grace_ends_at = 0 BEGIN
  SELECT RAISE(ABORT, 'the end of a grace is final');
END;
