"use strict";

/**
 * The first two words of a receipt: the revision of the key, "0" without one, and the id of the request. The core defines the
 * text (`VerificationReceipt` in `core/src/http/receipt.rs`). They are read here because a call of the addon would cost more.
 */
const beginningOf = (receipt) => receipt.split(" ", 2);

module.exports = { beginningOf };
