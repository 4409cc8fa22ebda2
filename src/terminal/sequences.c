/*
 * The one table of terminal sequences: what passes, what does not, and why. An entry that passes
 * must be harmless whoever sends it at whatever moment, so the question is never what a program
 * wants with it, but what the terminal does upon it:
 *
 * - What it draws stays on the screen and passes.
 * - What makes the terminal type something (a report) goes to the guest's own input while it is
 *   connected, but what is under way when it hangs up goes to the user's shell. Reports whose text
 *   the guest can choose (a title, the screen's content, an answerback) never pass; a few whose
 *   text is numbers in a fixed form do, since full-screen programs wait for them.
 * - What reaches the clipboard, files, the printer, the window, other programs does not pass.
 * - What changes how the terminal itself reads (character sets, 8-bit controls, VT52) would make
 *   this table wrong, and does not pass.
 *
 * Sources: ECMA-48, the VT510 manual, xterm's ctlseqs, the terminals' own pages for what is newer.
 */
#include "terminal/sequences.h"

#include <string.h>

#include "base/cleanup.h"

#define ANY UINT32_MAX

/* One a line or two, so that the table can be read as one. */
/* clang-format off */
#define CONTROL(byte, text, because) \
	{.kind = SEQUENCE_CONTROL, .number = (byte), .shown = (text), .why = (because)}
#define NO_CONTROL(byte, text, because) \
	{.kind = SEQUENCE_CONTROL, .verdict = SEQUENCE_DROPPED, .number = (byte), .shown = (text), .why = (because)}
#define ESCAPE(between, last, text, because, ...) \
	{.kind = SEQUENCE_ESCAPE, .intermediate = (between), .finals = (last), .shown = (text), .why = (because), __VA_ARGS__}
#define CSI(before, between, last, text, because, ...) \
	{.kind = SEQUENCE_CSI, .prefix = (before), .intermediate = (between), .finals = (last), .shown = (text), \
	 .why = (because), __VA_ARGS__}
#define NO_CSI(before, between, last, text, because) \
	CSI(before, between, last, text, because, .verdict = SEQUENCE_DROPPED)
#define MODE(which, because, back) \
	{.kind = SEQUENCE_MODE, .prefix = '?', .number = (which), .shown = "`CSI ? " #which " h`, `l`", .why = (because), .undo = (back)}
#define REPORTS(which, because, back) /* what is typed then is no key of the user's */ \
	{.kind = SEQUENCE_MODE, .prefix = '?', .number = (which), .asks = true, .shown = "`CSI ? " #which " h`, `l`", .why = (because), \
	 .undo = (back)}
#define NO_MODE(which, because) \
	{.kind = SEQUENCE_MODE, .verdict = SEQUENCE_DROPPED, .prefix = '?', .number = (which), \
	 .shown = "`CSI ? " #which " h`, `l`", .why = (because)}
#define TITLE(which, because) /* the terminal keeps the user's on a stack (xterm) meanwhile */ \
	{.kind = SEQUENCE_OSC, .number = (which), .shown = "`OSC " #which "`", .why = (because), .prepare = "\033[22;0t", .undo = "\033[23;0t"}
#define ASKS_OSC(which, because) /* with a text it would set what is asked for */ \
	{.kind = SEQUENCE_OSC, .number = (which), .only = "?", .asks = true, .shown = "`OSC " #which " ; ?`", .why = (because)}
#define NO_OSC(which, because) \
	{.kind = SEQUENCE_OSC, .verdict = SEQUENCE_DROPPED, .number = (which), .shown = "`OSC " #which "`", .why = (because)}
#define ON_BOTH_SCREENS(what) /* kitty keeps one for each, and shells know of one */ \
	what "\033[?1049h" what "\033[?1049l"
#define NO_STRING(byte, text, because) \
	{.kind = SEQUENCE_STRING, .verdict = SEQUENCE_DROPPED, .finals = (byte), .shown = (text), .why = (because)}

const struct sequence sequences[] = {
	CONTROL('\a', "BEL", "rings or flashes"),
	CONTROL('\b', "BS", "cursor"),
	CONTROL('\t', "HT", "cursor"),
	CONTROL('\n', "LF", "cursor, scrolls"),
	CONTROL('\v', "VT", "cursor, as LF"),
	CONTROL('\f', "FF", "cursor, as LF"),
	CONTROL('\r', "CR", "cursor"),
	{.kind = SEQUENCE_CONTROL, .number = 0x0e, .shown = "SO", .why = "line drawing of older programs", .undo = "\017"},
	CONTROL(0x0f, "SI", "ends SO"),
	NO_CONTROL(0x00, "NUL", "nothing"),
	NO_CONTROL(0x05, "ENQ", "the terminal types its answerback"),
	NO_CONTROL(0x11, "XON", "flow of a serial line"),
	NO_CONTROL(0x13, "XOFF", "flow of a serial line"),
	NO_CONTROL(0x18, "CAN", "ends a sequence; none is open where the terminal is"),
	NO_CONTROL(0x1a, "SUB", "as CAN"),
	NO_CONTROL(0x7f, "DEL", "nothing"),

	ESCAPE(0, "78", "`ESC 7`, `ESC 8`", "saves and restores the cursor"),
	ESCAPE(0, "DEM", "`ESC D`, `E`, `M`", "cursor, scrolls"),
	ESCAPE(0, "H", "`ESC H`", "sets a tab stop"),
	ESCAPE(0, "=>", "`ESC =`, `ESC >`", "what the keypad sends", .undo = "\033>"),
	ESCAPE('(', "0AB", "`ESC ( 0`, `A`, `B`", "line drawing and back", .undo = "\033(B"),
	ESCAPE(')', "0AB", "`ESC ) 0`, `A`, `B`", "line drawing and back", .undo = "\033)B"),
	ESCAPE(0, "c", "`ESC c`", "a hard reset also empties the scroll-back and resizes some windows: becomes a soft reset and an empty screen",
	       .verdict = SEQUENCE_REPLACED, .replacement = "\033[!p\033[H\033[2J"),
	ESCAPE(0, "Z", "`ESC Z`", "a report, of which CSI c is the usual form", .verdict = SEQUENCE_DROPPED),
	ESCAPE(' ', "FG", "`ESC SP F`, `G`", "makes the terminal answer in 8-bit controls", .verdict = SEQUENCE_DROPPED),
	ESCAPE('%', "@G", "`ESC % @`, `G`", "leaves UTF-8: the terminal would read other bytes as controls than are looked for here",
	       .verdict = SEQUENCE_DROPPED),
	ESCAPE('#', "34568", "`ESC # 3` … `8`", "letters of double size, a test picture: nothing uses them", .verdict = SEQUENCE_DROPPED),
	ESCAPE(0, "NOno|}~", "`ESC N`, `O`, `n`, `o`, `\\|`, `}`, `~`", "character sets that nothing uses", .verdict = SEQUENCE_DROPPED),

	CSI(0, 0, "ABCDEFGIZade`", "`CSI … A` to `G`, `I`, `Z`, `a`, `d`, `e`, `` ` ``", "moves the cursor", .most = 1, .first_high = ANY),
	CSI(0, 0, "Hf", "`CSI … H`, `f`", "moves the cursor", .most = 2, .first_high = ANY, .rest_high = ANY),
	CSI(0, 0, "J", "`CSI 0`, `1`, `2 J`", "erases on the screen; `3`, which empties the scroll-back, is dropped: what was there before the guest is not its own",
	    .most = 1, .first_high = 2),
	CSI(0, 0, "K", "`CSI … K`", "erases in the line", .most = 1, .first_high = 2),
	CSI(0, 0, "@LMPSTX", "`CSI … @`, `L`, `M`, `P`, `S`, `T`, `X`", "inserts, deletes, scrolls, erases, at most 9999 of them", .most = 1, .first_high = 9999),
	CSI(0, 0, "b", "`CSI … b`", "repeats a character, at most 9999 times", .most = 1, .first_high = 9999),
	CSI(0, 0, "g", "`CSI … g`", "tab stops", .most = 1, .first_high = 3),
	CSI(0, 0, "m", "`CSI … m`", "colour and weight of text (SGR)", .has_parts = true, .most = 64, .first_high = ANY, .rest_high = ANY,
	    .undo = "\033[m"),
	CSI(0, 0, "r", "`CSI … r`", "the part of the screen that scrolls", .most = 2, .first_high = ANY, .rest_high = ANY, .undo = "\0337\033[r\0338"),
	CSI(0, 0, "s", "`CSI s`, `CSI … s`", "saves the cursor; with numbers, margins", .most = 2, .first_high = ANY, .rest_high = ANY),
	CSI(0, 0, "u", "`CSI u`", "restores the cursor"),
	CSI(0, '!', "p", "`CSI ! p`", "a soft reset"),
	CSI(0, ' ', "q", "`CSI … SP q`", "shape of the cursor", .most = 1, .first_high = 6, .undo = "\033[0 q"),
	CSI('>', 0, "m", "`CSI > 4 ; … m`", "how keys with Ctrl and Alt are told apart (modifyOtherKeys)", .least = 1, .most = 2, .first_low = 4,
	    .first_high = 4, .rest_high = 2, .undo = "\033[>4m"),
	CSI('>', 0, "u", "`CSI > … u`", "how keys are told apart (kitty's keyboard protocol), pushed", .most = 1, .first_high = 31, .undo = ON_BOTH_SCREENS("\033[<99u")),
	CSI('<', 0, "u", "`CSI < … u`", "the same, popped", .most = 1, .first_high = 99),
	CSI('=', 0, "u", "`CSI = … u`", "the same, set", .most = 2, .first_high = 31, .rest_high = 3, .undo = ON_BOTH_SCREENS("\033[=0u")),
	CSI('?', 0, "u", "`CSI ? u`", "asks for the same; the answer is one number", .asks = true),
	CSI(0, 0, "n", "`CSI 6 n`", "asks where the cursor is; the answer is two numbers, and programs wait for it", .asks = true, .least = 1, .most = 1, .first_low = 6,
	    .first_high = 6),
	CSI(0, 0, "c", "`CSI c`", "asks what the terminal is; the answer is numbers that the terminal chooses, and programs wait for it", .asks = true, .most = 1),
	CSI('>', 0, "c", "`CSI > c`", "the same; vim learns from it how the mouse reports", .asks = true, .most = 1),
	CSI('?', '$', "p", "`CSI ? 2026 $ p`", "asks whether mode 2026 is known; the answer is two numbers", .asks = true, .least = 1, .most = 1, .first_low = 2026,
	    .first_high = 2026),
	NO_CSI(0, 0, "t", "`CSI … t`", "moves, resizes and hides the window; `21 t` types its title, which the guest can set"),
	NO_CSI(0, 0, "i", "`CSI … i`", "prints the screen, or passes what follows to a printer"),
	NO_CSI('?', 0, "i", "`CSI ? … i`", "prints"),
	NO_CSI('?', 0, "n", "`CSI ? … n`", "reports of printer, keyboard, colours, memory"),
	NO_CSI('=', 0, "c", "`CSI = c`", "a report of the terminal's serial number"),
	NO_CSI('>', 0, "q", "`CSI > q`", "a report of the terminal's name and version"),
	NO_CSI(0, 0, "x", "`CSI … x`", "a report of serial lines"),
	NO_CSI(0, '*', "y", "`CSI … * y`", "a report of a checksum of what is on the screen"),
	NO_CSI(0, '$', "p", "`CSI … $ p`", "reports of modes that programs do not wait for"),
	NO_CSI(0, '$', "w", "`CSI … $ w`", "a report of cursor and tab stops"),
	NO_CSI('?', 0, "rs", "`CSI ? … r`, `s`", "saves and restores modes, also those that do not pass"),
	NO_CSI('>', 0, "tT", "`CSI > … t`, `T`", "how titles are read and reported"),
	NO_CSI(0, '"', "p", "`CSI … \" p`", "makes the terminal answer in 8-bit controls"),
	NO_CSI(0, 0, "q", "`CSI … q`", "lamps of the keyboard"),
	NO_CSI(0, 0, "]", "`CSI … ]`", "Linux's console: blanks the screen, changes the beep, switches consoles"),

	MODE(1, "what the cursor keys send", "\033[?1l"),
	MODE(5, "the screen in reverse", "\033[?5l"),
	MODE(6, "the cursor counts from the part that scrolls", "\033[?6l"),
	MODE(7, "lines wrap", "\033[?7h"),
	REPORTS(9, "reports of the mouse", "\033[?9l"),
	MODE(12, "the cursor blinks", NULL),
	MODE(25, "the cursor shows", "\033[?25h"),
	MODE(47, "the other screen", "\033[?47l"),
	MODE(66, "what the keypad sends", "\033[?66l"),
	MODE(69, "margins left and right", "\033[?69l"),
	REPORTS(1000, "reports of the mouse", "\033[?1000l"),
	REPORTS(1002, "reports of the mouse", "\033[?1002l"),
	REPORTS(1003, "reports of the mouse", "\033[?1003l"),
	REPORTS(1004, "reports of the focus", "\033[?1004l"),
	MODE(1005, "the form of the mouse's reports", "\033[?1005l"),
	MODE(1006, "the form of the mouse's reports", "\033[?1006l"),
	MODE(1007, "the wheel as cursor keys on the other screen", NULL),
	MODE(1015, "the form of the mouse's reports", "\033[?1015l"),
	MODE(1047, "the other screen", "\033[?1047l"),
	MODE(1048, "saves and restores the cursor", NULL),
	MODE(1049, "the other screen", "\033[?1049l"),
	MODE(2004, "what is pasted is marked (bracketed paste)", "\033[?2004l"),
	MODE(2026, "draws at once (synchronized output)", "\033[?2026l"),
	MODE(2027, "width of composed characters", "\033[?2027l"),
	{.kind = SEQUENCE_MODE, .number = 4, .shown = "`CSI 4 h`, `l`", .why = "text is inserted", .undo = "\033[4l"},
	{.kind = SEQUENCE_MODE, .verdict = SEQUENCE_DROPPED, .number = 2, .shown = "`CSI 2 h`, `l`", .why = "locks the keyboard"},
	{.kind = SEQUENCE_MODE, .verdict = SEQUENCE_DROPPED, .number = 20, .shown = "`CSI 20 h`, `l`", .why = "what Enter sends"},
	NO_MODE(2, "VT52: the terminal would read other sequences than are looked for here"),
	NO_MODE(3, "resizes the window"),
	NO_MODE(18, "how is printed"),
	NO_MODE(38, "Tektronix: as VT52"),
	NO_MODE(1001, "the terminal waits for an answer, deaf to the user"),
	NO_MODE(1042, "demands attention from the window manager"),
	NO_MODE(1043, "raises the window"),
	NO_MODE(2031, "reports of the user's colours"),
	NO_MODE(5522, "reports of the clipboard"),

	TITLE(0, "the window's title, if it is plain text of at most 400 bytes, none of them 9B (a CSI to Linux's console, whatever character it is of); the user's is put back afterwards"),
	TITLE(1, "the icon's title, likewise"),
	TITLE(2, "the window's title, likewise"),
	NO_OSC(3, "properties of the window"),
	NO_OSC(4, "a report of colours, or colours that stay after the guest"),
	NO_OSC(5, "as OSC 4"),
	NO_OSC(7, "tells the terminal a directory in which it opens the next window"),
	NO_OSC(8, "a link whose text is not where it leads, opened on the host"),
	NO_OSC(9, "notifications of the desktop"),
	ASKS_OSC(10, "asks for the colour of text, as `OSC 11 ; ?`"),
	ASKS_OSC(11, "asks for the colour behind the text, by which vim and others choose readable ones; the answer is three numbers that "
		 "the guest cannot have chosen, for what would set the colour (any text but the `?`) is dropped"),
	NO_OSC(12, "as OSC 4"),
	NO_OSC(22, "shape of the pointer, beyond the window in some terminals"),
	NO_OSC(50, "fonts; a report of their name"),
	NO_OSC(52, "reads and writes the clipboard"),
	NO_OSC(99, "notifications of the desktop"),
	NO_OSC(133, "tells the terminal what is a command and what is output"),
	NO_OSC(633, "as OSC 133"),
	NO_OSC(777, "notifications of the desktop"),
	NO_OSC(1337, "files to and from the host, the clipboard, the user's attention"),
	NO_OSC(5113, "files to and from the host"),
	NO_OSC(5522, "the clipboard"),

	NO_STRING("P", "DCS (`ESC P`)", "pictures, keys' definitions, reports of settings, tmux's way past itself"),
	NO_STRING("_", "APC (`ESC _`)", "pictures and files (kitty), commands to other programs"),
	NO_STRING("^", "PM (`ESC ^`)", "nothing shows it"),
	NO_STRING("X", "SOS (`ESC X`)", "nothing shows it"),
	NO_STRING("k", "`ESC k`", "the title of a window in screen and tmux"),
};
/* clang-format on */
const size_t sequence_count = ARRAY_SIZE(sequences);
_Static_assert(ARRAY_SIZE(sequences) <= SEQUENCES_MAX, "one bit for each");

int sequence_find_number(enum sequence_kind kind, uint32_t number)
{
	for (size_t i = 0; i < sequence_count; i++)
		if (sequences[i].kind == kind && sequences[i].number == number)
			return (int)i;
	return -1;
}

int sequence_find_mode(char prefix, uint32_t number)
{
	for (size_t i = 0; i < sequence_count; i++)
		if (sequences[i].kind == SEQUENCE_MODE && sequences[i].prefix == prefix &&
		    sequences[i].number == number)
			return (int)i;
	return -1;
}

int sequence_find_final(enum sequence_kind kind, char prefix, char intermediate, char final)
{
	for (size_t i = 0; i < sequence_count; i++)
		if (sequences[i].kind == kind && sequences[i].prefix == prefix &&
		    sequences[i].intermediate == intermediate && strchr(sequences[i].finals, final))
			return (int)i;
	return -1;
}

void sequences_document(struct strbuf *out)
{
	static const char *const verdicts[] = {
		[SEQUENCE_PASSES] = "passes",
		[SEQUENCE_DROPPED] = "dropped",
		[SEQUENCE_REPLACED] = "replaced",
	};

	strbuf_add_text(out, "| sequence | | why |\n|---|---|---|\n");
	for (size_t i = 0; i < sequence_count; i++)
		strbuf_addf(out, "| %s | %s | %s |\n", sequences[i].shown,
			    verdicts[sequences[i].verdict], sequences[i].why);
}
