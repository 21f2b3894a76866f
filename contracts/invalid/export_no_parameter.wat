;; Rejected: an exported function without the length of its argument.
(module
  (memory (export "memory") 3)
  (global (export "A") i32 (i32.const 65536))
  (func (export "run") (result i32) (i32.const 0))
)
