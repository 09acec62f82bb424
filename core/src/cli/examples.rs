//! The examples that the help shows first.

pub(super) const PROGRAM: &str = "\
Examples:
  keywright init acme
  keywright keys create 'Production' --scopes deals:read --expires-in-days 365
  printf %s \"$KEY\" | keywright verify --scopes deals:read
  keywright serve
  keywright keys revoke 0197a1b2-0000-7000-8000-000000000001 --reason leaked";

pub(super) const INIT: &str = "\
Examples:
  keywright init acme
  keywright init acme --directory /etc/acme";

pub(super) const KEYS: &str = "\
Examples:
  keywright keys create 'CI' --scopes deals:read,deals:write
  keywright keys list --status active --json
  keywright keys rotate ID --grace 24h
  keywright keys credit ID 500 --reason 'invoice 7'
  keywright keys revoke ID --reason 'left the company' --yes";

pub(super) const ORGS: &str = "\
Examples:
  keywright orgs list
  keywright orgs update acme --networks 203.0.113.0/24
  keywright orgs disable acme --reason 'unpaid'";

pub(super) const VERIFY: &str = "\
Examples:
  printf %s \"$KEY\" | keywright verify
  keywright verify --file key.txt --scopes deals:read --ip 203.0.113.7
  keywright verify --quiet < key.txt && echo allowed";

pub(super) const EXPLAIN: &str = "\
Examples:
  printf %s \"$KEY\" | keywright explain GET /v1/deals --peer 203.0.113.7
  keywright explain GET /v1/deals --no-key --header 'X-Request-Id: 7'";

pub(super) const AUDIT: &str = "\
Examples:
  keywright audit list --action key.revoke
  keywright audit verify
  keywright audit head --quiet >> /mnt/elsewhere/heads
  keywright audit prune --before 2025-01-01T00:00:00Z --yes";

pub(super) const WEBHOOKS: &str = "\
Examples:
  keywright webhooks list
  keywright webhooks retry we_0123456789abcdef
  keywright webhooks remove we_0123456789abcdef --yes";

pub(super) const MIGRATE: &str = "\
Examples:
  keywright migrate --plan
  keywright migrate";

pub(super) const IMPORT: &str = "\
Examples:
  keywright import --from sanctum tokens.csv --dry-run
  keywright import --from djangorestframework-api-key --scopes a:read keys.json
  keywright import --from better-auth apikey.csv --org-column referenceId
  keywright import --from bcrypt --prefix lw keys.csv --skip-broken > report
  keywright import --from generic --format 'acme_{lookup:8}_{secret:32}' \\
    --hashed secret keys.jsonl";

pub(super) const COPY: &str = "\
Examples:
  keywright copy sqlite:keys.db postgresql://keywright@db.internal/app
  keywright copy postgresql://keywright@db.internal/app sqlite:keys.db";

pub(super) const BACKUP: &str = "\
Examples:
  keywright backup /mnt/backups/keys-$(date +%F).db";

pub(super) const DOCTOR: &str = "\
Examples:
  keywright doctor
  keywright doctor --json | jq 'select(.level == \"problem\")'";

pub(super) const EXPORT_RULES: &str = "\
Examples:
  keywright export-rules >> .gitleaks.toml
  git grep -E \"$(keywright export-rules --for grep --quiet)\"";

pub(super) const SERVE: &str = "\
Examples:
  keywright keys create 'Back end' --scopes keys:verify
  keywright serve --listen 127.0.0.1:8787 --admin-listen 127.0.0.1:8788
  curl http://127.0.0.1:8787/verify --oauth2-bearer \"$BACK_END\" \\
    --json '{\"api_key\": \"acme_live_…\"}'
  keywright serve --listen unix:/run/keywright/keywright.sock
  curl --unix-socket /run/keywright/keywright.sock http://keywright/verify \\
    --json '{\"api_key\": \"acme_live_…\"}'";

pub(super) const COMPLETIONS: &str = "\
Examples:
  source <(keywright completions bash)
  keywright completions fish > ~/.config/fish/completions/keywright.fish";

pub(super) const MAN: &str = "\
Examples:
  keywright man /usr/local/share/man/man1";
