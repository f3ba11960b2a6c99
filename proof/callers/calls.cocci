// Which function makes which cross-CPU call: one line of file, function, call, line
// for each call that the parser sees. ./run prove puts names in the place of FAMILY.

@calls@
iterator name scoped_guard;
position q;
identifier call = { FAMILY };
@@
call@q(...)

@script:python@
q << calls.q;
call << calls.call;
@@
print("\t".join((q[0].file, q[0].current_element, call, q[0].line)))
