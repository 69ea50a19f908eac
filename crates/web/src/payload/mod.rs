//! Payloads as people read them, and the codec that decodes them.
