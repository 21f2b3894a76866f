;; Rejected: an element segment that ends beyond its table.
(module
  (memory (export "memory") 3)
  (global (export "A") i32 (i32.const 65536))
  (func (export "run") (param i32) (result i32) (i32.const 0))
  (table 2 funcref)
  (elem (i32.const 2) func 0)
)
