;; Rejected: a data segment that overlaps the declared shadow stack.
(module
  (memory (export "memory") 3)
  (global (export "A") i32 (i32.const 65536))
  (func (export "run") (param i32) (result i32) (i32.const 0))
  (data (i32.const 4095) "xy")
  (@custom "crostata.stack" "\00\00\00\00\00\00\00\00\00\10\00\00\00\00\00\00")
)
