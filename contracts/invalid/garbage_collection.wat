;; Rejected: a type of the garbage collection proposal.
(module
  (memory (export "memory") 3)
  (global (export "A") i32 (i32.const 65536))
  (func (export "run") (param i32) (result i32) (i32.const 0))
  (type $pair (struct (field i32) (field i32)))
  (func (drop (struct.new_default $pair)))
)
