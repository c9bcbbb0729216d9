-- Whoever deletes a person, by whatever way, ends their keys for good and forgets what they wrote about them. The row stays, without a
-- word of theirs, so that a use of the key is recognised. As the service's own role, which is taken back before this returns.
CREATE FUNCTION "forget_api_keys"() RETURNS trigger LANGUAGE plpgsql SECURITY INVOKER AS $$
DECLARE
  role_before TEXT := COALESCE(current_setting('daemun.role', true), '');
BEGIN
  PERFORM set_config('daemun.role', 'caretaker', true);
  UPDATE api_keys SET name = '', description = NULL, allowed_addresses = '{}', revoked_at = COALESCE(revoked_at, now()),
    revocation_reason = CASE WHEN revoked_at IS NULL THEN 'owner deleted' END
  WHERE user_id = NEW.id;
  PERFORM set_config('daemun.role', role_before, true);
  RETURN NULL;
END
$$;
CREATE TRIGGER "users_deleted_forget_api_keys" AFTER UPDATE OF "state" ON "users" FOR EACH ROW
  WHEN (NEW."state" = 'deleted' AND OLD."state" IS DISTINCT FROM NEW."state") EXECUTE FUNCTION "forget_api_keys"();
