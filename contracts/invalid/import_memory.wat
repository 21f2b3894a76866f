;; Rejected: an imported memory.
(module
  (import "env" "memory" (memory 3))
  (export "memory" (memory 0))
  (global (export "A") i32 (i32.const 65536))
  (func (export "run") (param i32) (result i32) (i32.const 0))
)
