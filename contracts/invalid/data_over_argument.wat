;; Rejected: a data segment that overlaps the argument buffer by one byte.
(module
  (memory (export "memory") 3)
  (global (export "A") i32 (i32.const 65536))
  (func (export "run") (param i32) (result i32) (i32.const 0))
  (data (i32.const 65535) "xy")
)
