;; Rejected: a pointer of 32 bits in an import of a 64-bit contract.
(module
  (import "env" "hd" (func (param i32 i32) (result i32)))
  (memory (export "memory") i64 3)
  (global (export "A") i64 (i64.const 65536))
  (func (export "run") (param i32) (result i32) (i32.const 0))
)
