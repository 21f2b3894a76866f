;; Rejected: a write to a table: `table.fill`.
(module
  (memory (export "memory") 3)
  (global (export "A") i32 (i32.const 65536))
  (func (export "run") (param i32) (result i32) (i32.const 0))
  (table 2 funcref)
  (func (table.fill (i32.const 0) (ref.null func) (i32.const 1)))
)
