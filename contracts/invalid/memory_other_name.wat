;; Rejected: a memory that is exported under another name.
(module
  (memory (export "ram") 3)
  (global (export "A") i32 (i32.const 65536))
  (func (export "run") (param i32) (result i32) (i32.const 0))
)
