;; Rejected: an argument buffer that ends beyond the address space.
(module
  (memory (export "memory") 3)
  (global (export "A") i32 (i32.const -4))
  (func (export "run") (param i32) (result i32) (i32.const 0))
)
