;; Rejected: a tail call.
(module
  (memory (export "memory") 3)
  (global (export "A") i32 (i32.const 65536))
  (func (export "run") (param i32) (result i32) (i32.const 0))
  (func $next (result i32) (i32.const 0))
  (func (result i32) (return_call $next))
)
