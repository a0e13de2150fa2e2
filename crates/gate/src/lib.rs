//! Effects, grants, denials and receipts: what an agent may do.
