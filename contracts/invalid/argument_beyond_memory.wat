;; Rejected: an argument buffer that ends beyond the memory.
(module
  (memory (export "memory") 3)
  (global (export "A") i32 (i32.const 131073))
  (func (export "run") (param i32) (result i32) (i32.const 0))
)
