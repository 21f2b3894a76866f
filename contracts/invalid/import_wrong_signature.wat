;; Rejected: an import with another signature than the table has.
(module
  (import "env" "emit" (func (param i32 i32 i32) (result i32)))
  (memory (export "memory") 3)
  (global (export "A") i32 (i32.const 65536))
  (func (export "run") (param i32) (result i32) (i32.const 0))
)
