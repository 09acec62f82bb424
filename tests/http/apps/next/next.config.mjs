import { withKeywright } from "keywright/next";

export default withKeywright({ compress: false, poweredByHeader: false, skipTrailingSlashRedirect: true });
