;; Rejected: an imported table.
(module
  (import "env" "table" (table 1 funcref))
  (memory (export "memory") 3)
  (global (export "A") i32 (i32.const 65536))
  (func (export "run") (param i32) (result i32) (i32.const 0))
)
