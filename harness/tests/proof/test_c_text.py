"""c_text.py: what is code, and which function is where."""

import unittest

from harness.proof import c_text

TEXT = """\
struct a {
\tint b;
};
static int f(int a,
\t     void (*b)(int))
{
\tg(a);
}
#define m(x) \\
\tdo { \\
\t\th(x); \\
\t} while (0)
#define N (1)
void
k(void) __releases(&lock)
{
\t/* l() */
}
static struct s t[] = {
\t{ f() },
};
int u[] =
{
\tf(),
};
static int odd(void)
{
#ifdef A
\tif (x) {
#else
\tif (y) {
#endif
\t}
}
"""


class Text(unittest.TestCase):
    def test_blank(self) -> None:
        text = 'a("/*", \'"\', x); /* b\n" */ c("*/"); // d\ne(\'\\\'\');\n'
        plain = c_text.blank(text)
        self.assertEqual([len(line) for line in plain.split("\n")],
                         [len(line) for line in text.split("\n")])
        self.assertEqual("".join(plain.split()), "a(,,x);c();e();")

    def test_functions(self) -> None:
        found = {name: TEXT[start:end] for name, start, end in c_text.functions(c_text.blank(TEXT))}
        self.assertEqual(set(found), {"f", "k", "m"})
        self.assertTrue(found["f"].startswith("static int f(") and found["f"].endswith("g(a);\n}"))
        self.assertEqual(found["k"], "k(void) __releases(&lock)\n{\n\t/* l() */\n}")
        self.assertIn("h(x)", found["m"])

    def test_statics(self) -> None:
        self.assertEqual(c_text.statics(c_text.blank(TEXT) + "static int x = 1;\nint many(void)\n{\n}\n"),
                         {"f", "m", "odd"})


if __name__ == "__main__":
    unittest.main()
