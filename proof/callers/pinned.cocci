// Cross-CPU calls that can be reached with the caller pinned to its CPU. One line for
// each: file, function, what pins, call, line of the one, line of the other.
//
// This is the rule for one kind of pinning. ./run prove makes one of each table of pins.toml:
// it puts its name in the place of KIND, its match in that of MATCH, its lists in that of PINS
// and UNPINS; and in the place of CALLS the names of calls.toml with those of the
// functions that make such calls.

@in_KIND exists@
iterator name scoped_guard;
position p, q;
expression lock;
identifier pin = { PINS };
identifier unpin = { UNPINS };
identifier call = { CALLS };
@@
MATCH

@script:python@
p << in_KIND.p;
q << in_KIND.q;
pin << in_KIND.pin;
call << in_KIND.call;
@@
print("\t".join((q[0].file, q[0].current_element, PREFIX + pin, call, p[0].line, q[0].line)))
