//! Where commands read from and write to: standard streams for a person or for a program.
//!
//! Whatever is shown may come from elsewhere: from another department's log, from a table nobody checked, from the name
//! of a file. So every line goes through [`one_line`] here, and nothing in it can begin another line.

use std::borrow::Cow;
use std::io::{self, BufRead, IsTerminal, Write};

use clap::builder::styling::{AnsiColor, Style};
use comfy_table::{Attribute, Cell, ColumnConstraint, ContentArrangement, Table, Width};
use serde::Serialize;
use unicode_width::UnicodeWidthStr;
use zeroize::Zeroizing;

use certmesh_text::one_line::{self, one_line};

use crate::args::Colour;
use crate::client::Answer;
use crate::hidden;
use crate::{Error, Outcome};

/// The streams of a command, and what is known of who reads them.
pub struct Screen {
    input: Box<dyn BufRead>,
    out: Box<dyn Write>,
    err: Box<dyn Write>,
    input_is_terminal: bool,
    out_is_terminal: bool,
    err_is_terminal: bool,
    json: bool,
    colour_out: bool,
    colour_err: bool,
}

/// Room for the longest answer that a person is expected to give, in bytes.
pub(crate) const LONGEST_ANSWER: usize = 1 << 10;

/// What a piece of text means; its colour follows from that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tone {
    /// As it should be.
    Good,
    /// Not as it should be.
    Bad,
    /// Not known, or waiting.
    Doubt,
    /// What the eye should find first.
    Strong,
    /// Beside the point.
    Faint,
}

impl Tone {
    fn style(self) -> Style {
        let bold = Style::new().bold();
        match self {
            Self::Good => bold.fg_color(Some(AnsiColor::Green.into())),
            Self::Bad => bold.fg_color(Some(AnsiColor::Red.into())),
            Self::Doubt => bold.fg_color(Some(AnsiColor::Yellow.into())),
            Self::Strong => bold,
            Self::Faint => Style::new().dimmed(),
        }
    }
}

impl Screen {
    /// The process's own streams.
    #[must_use]
    pub fn of_process() -> Self {
        Self {
            input_is_terminal: io::stdin().is_terminal(),
            out_is_terminal: io::stdout().is_terminal(),
            err_is_terminal: io::stderr().is_terminal(),
            // Standard input and output live as long as the process, so the locks may be held for as long.
            ..Self::over(
                Box::new(io::stdin().lock()),
                Box::new(io::BufWriter::new(io::stdout().lock())),
                Box::new(io::stderr()),
            )
        }
    }

    /// Any streams, none of them a terminal.
    #[must_use]
    pub fn over(input: Box<dyn BufRead>, out: Box<dyn Write>, err: Box<dyn Write>) -> Self {
        Self {
            input,
            out,
            err,
            input_is_terminal: false,
            out_is_terminal: false,
            err_is_terminal: false,
            json: false,
            colour_out: false,
            colour_err: false,
        }
    }

    /// Takes over the person's wishes.
    pub(crate) fn configure(&mut self, json: bool, colour: Colour) {
        let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let dumb = set("NO_COLOR") || std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        let wanted = |terminal: bool| match colour {
            Colour::Always => true,
            Colour::Never => false,
            Colour::Auto => terminal && !dumb,
        };
        self.json = json;
        self.colour_out = wanted(self.out_is_terminal);
        self.colour_err = wanted(self.err_is_terminal);
    }

    /// Whether the answer is to be JSON.
    pub(crate) fn json(&self) -> bool {
        self.json
    }

    /// Whether a person sits at standard input and can be asked.
    pub(crate) fn can_ask(&self) -> bool {
        self.input_is_terminal && self.err_is_terminal
    }

    /// Whether progress can be drawn: a person watches, and nothing else is printed there for a program.
    pub(crate) fn shows_progress(&self) -> bool {
        self.err_is_terminal && !self.json
    }

    /// Standard input.
    pub(crate) fn input(&mut self) -> &mut dyn BufRead {
        &mut *self.input
    }

    /// Standard input, to be read while the screen is used for other things; nothing of it is left here.
    pub(crate) fn take_input(&mut self) -> Box<dyn BufRead> {
        std::mem::replace(&mut self.input, Box::new(io::empty()))
    }

    /// Standard output, for bytes.
    pub(crate) fn out(&mut self) -> &mut dyn Write {
        &mut *self.out
    }

    /// Standard input and output at once, for what answers line by line.
    pub(crate) fn both(&mut self) -> (&mut dyn BufRead, &mut dyn Write) {
        (&mut *self.input, &mut *self.out)
    }

    /// The text in the colour of its meaning, for a line of the answer.
    pub(crate) fn paint(&self, tone: Tone, text: &str) -> String {
        paint(self.colour_out, tone, text)
    }

    /// Prints a line of the answer.
    pub(crate) fn line(&mut self, text: impl AsRef<str>) -> Result<(), Error> {
        let line = shown(self.colour_out, text.as_ref());
        Ok(writeln!(self.out, "{line}")?)
    }

    /// Prints `label  value`, the values in one column.
    pub(crate) fn field(&mut self, label: &str, value: impl AsRef<str>) -> Result<(), Error> {
        let label = self.paint(Tone::Faint, &format!("{label:<13} "));
        self.line(format!("{label}{}", value.as_ref()))
    }

    /// Prints texts from elsewhere as `label  value`, the values in one column behind the widest label. Chinese
    /// characters take two columns each.
    pub(crate) fn fields<'t>(
        &mut self,
        fields: impl IntoIterator<Item = (&'t str, String)>,
    ) -> Result<(), Error> {
        let fields: Vec<(String, String)> = fields
            .into_iter()
            .map(|(label, value)| (printable(label), value))
            .collect();
        let widest = fields.iter().map(|(label, _)| label.width()).max();
        let width = widest.unwrap_or_default().clamp(13, 40);
        for (label, value) in fields {
            let room = " ".repeat(width.saturating_sub(label.width()));
            let label = self.paint(Tone::Faint, &format!("{label}{room} "));
            self.line(format!("{label}{}", printable(&value)))?;
        }
        Ok(())
    }

    /// Prints a value as indented JSON.
    pub(crate) fn print_json(&mut self, value: &impl Serialize) -> Result<(), Error> {
        let text = serde_json::to_string_pretty(value).map_err(io::Error::from)?;
        self.json_text(&text)
    }

    /// Prints the node's JSON as received.
    pub(crate) fn pass(&mut self, answer: &Answer) -> Result<Outcome, Error> {
        // Only what is JSON can be shown as JSON.
        answer.parse::<serde::de::IgnoredAny>()?;
        self.json_text(String::from_utf8_lossy(&answer.body).trim_end())?;
        Ok(Outcome::Yes)
    }

    fn json_text(&mut self, text: &str) -> Result<(), Error> {
        Ok(writeln!(self.out, "{}", one_line::json(text))?)
    }

    /// Prints rows under a header, as wide as the terminal at most; `narrow` columns are never broken into lines.
    pub(crate) fn table(
        &mut self,
        header: &[&str],
        narrow: &[usize],
        rows: Vec<Vec<Cell>>,
    ) -> Result<(), Error> {
        let mut table = Table::new();
        let width = if self.out_is_terminal {
            table.width()
        } else {
            None
        };
        table.load_style(comfy_table::presets::NOTHING);
        if let Some(width) = width {
            table
                .set_width(width)
                .set_content_arrangement(ContentArrangement::Dynamic);
        }
        if self.colour_out {
            table.enforce_styling();
        } else {
            table.force_no_tty();
        }
        table.set_header(
            header
                .iter()
                .map(|title| Cell::new(title).add_attribute(Attribute::Bold)),
        );
        table.add_rows(rows);
        for (index, column) in table.column_iter_mut().enumerate() {
            column.set_padding((0, 2));
            if width.is_some() && narrow.contains(&index) {
                column.set_constraint(ColumnConstraint::ContentWidth);
            } else if width.is_some() {
                column.set_constraint(ColumnConstraint::LowerBoundary(Width::Fixed(10)));
            }
        }
        // Its lines are its own: each cell was made of text that can't begin one.
        Ok(writeln!(self.out, "{}", table.trim_fmt())?)
    }

    /// Prints a note to the person, beside the answer.
    pub(crate) fn note(&mut self, text: &str) {
        // A note that cannot be shown must not change what the command does.
        let _ = writeln!(self.err, "{}", shown(self.colour_err, text));
    }

    /// Asks the person for a line; `None` at the end of the input. The answer is wiped when dropped.
    pub(crate) fn ask(&mut self, question: &str) -> Result<Option<Zeroizing<String>>, Error> {
        write!(self.err, "{} ", one_line(question))?;
        self.err.flush()?;
        let mut answer = Zeroizing::new(String::with_capacity(LONGEST_ANSWER));
        let length = self.input.read_line(&mut answer)?;
        Ok((length > 0).then_some(answer))
    }

    /// Asks the person at the terminal of standard input for a line that the terminal doesn't show; `None` at its end.
    ///
    /// # Errors
    /// Those of the streams; [`io::ErrorKind::InvalidData`] for what isn't text, or too long.
    pub(crate) fn ask_hidden(&mut self, question: &str) -> io::Result<Option<Zeroizing<String>>> {
        // What was said so far may be what the question is about.
        self.out.flush()?;
        hidden::line(io::stdin(), || {
            write!(self.err, "{} ", one_line(question))?;
            self.err.flush()
        })
    }

    /// Hands on what has been written.
    pub(crate) fn flush(&mut self) -> Result<(), Error> {
        Ok(self.out.flush()?)
    }

    /// Shows an error: message and hint, or a JSON object on one line.
    pub(crate) fn report(&mut self, error: &Error) {
        // What was answered before the error comes first; and when even standard error is closed, nobody listens.
        let _ = self.out.flush();
        let _ = if self.json {
            let problem = match error {
                Error::Misused(_) => None,
                error => error.problem(),
            };
            let message = error.to_string();
            let value =
                serde_json::json!({"error": message, "hint": error.hint(), "problem": problem});
            writeln!(self.err, "{}", one_line::json(&value.to_string()))
        } else {
            let label = paint(self.colour_err, Tone::Bad, "error:");
            // What belongs to the message and stands on lines of its own is indented, and so is not a message.
            let lines = error.lines().into_iter().map(|line| printable(&line));
            let message = lines.collect::<Vec<_>>().join("\n  ");
            let hint = error.hint().map_or_else(String::new, |hint| {
                let label = paint(self.colour_err, Tone::Strong, "hint:");
                format!("\n{label} {hint}")
            });
            writeln!(self.err, "{label} {message}{hint}")
        };
    }

    /// Shows help, the version, or what is wrong with the arguments.
    pub(crate) fn usage(&mut self, error: &clap::Error) {
        // clap decides by stream and terminal whether to colour; a buffer has neither.
        let _ = if self.err_is_terminal || self.out_is_terminal {
            error.print()
        } else if error.use_stderr() {
            write!(self.err, "{}", error.render())
        } else {
            write!(self.out, "{}", error.render()).and_then(|()| self.out.flush())
        };
    }
}

fn paint(on: bool, tone: Tone, text: &str) -> String {
    let style = tone.style();
    if on {
        format!("{style}{text}{style:#}")
    } else {
        text.to_owned()
    }
}

/// A table cell for text from elsewhere.
pub(crate) fn cell(text: impl AsRef<str>) -> Cell {
    Cell::new(printable(text.as_ref()))
}

/// A table cell in the colour of its meaning.
pub(crate) fn toned(tone: Tone, text: impl AsRef<str>) -> Cell {
    use comfy_table::Color;
    let cell = cell(text);
    match tone {
        Tone::Good => cell.fg(Color::Green),
        Tone::Bad => cell.fg(Color::Red),
        Tone::Doubt => cell.fg(Color::Yellow),
        Tone::Strong => cell.add_attribute(Attribute::Bold),
        Tone::Faint => cell.add_attribute(Attribute::Dim),
    }
}

/// A table cell for a number.
pub(crate) fn number(count: u64) -> Cell {
    Cell::new(grouped(count)).set_alignment(comfy_table::CellAlignment::Right)
}

/// `1 row`, `1,234 rows`.
pub(crate) fn counted(count: u64, what: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{} {what}{plural}", grouped(count))
}

/// `1,234,567`.
pub(crate) fn grouped(count: u64) -> String {
    let digits = count.to_string();
    let mut text = String::with_capacity(digits.len() + digits.len() / 3);
    for (position, digit) in digits.chars().enumerate() {
        if position > 0 && (digits.len() - position).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A table cell of several lines, each for text from elsewhere.
pub(crate) fn lines_cell<T: AsRef<str>>(lines: impl IntoIterator<Item = T>) -> Cell {
    let lines = lines.into_iter().map(|line| printable(line.as_ref()));
    Cell::new(lines.collect::<Vec<_>>().join("\n"))
}

/// Text from elsewhere, on one line and without what could steer a terminal or reorder what is read on it.
pub(crate) fn printable(text: &str) -> String {
    one_line(text).into_owned()
}

/// What [`Tone`]s are made of, and what ends them.
const STYLES: [&str; 6] = [
    "\x1b[0m", "\x1b[1m", "\x1b[2m", "\x1b[31m", "\x1b[32m", "\x1b[33m",
];

/// A line as it is shown: in the colours of [`Tone`]s, if those are wanted, and in nothing else that steers.
fn shown(coloured: bool, line: &str) -> Cow<'_, str> {
    if !coloured || !line.contains('\x1b') {
        return one_line(line);
    }
    let mut out = String::with_capacity(line.len());
    let mut rest = line;
    while let Some(at) = rest.find('\x1b') {
        let (before, from) = rest.split_at(at);
        out.push_str(&one_line(before));
        let style = STYLES.iter().find(|style| from.starts_with(**style));
        out.push_str(style.unwrap_or(&"\u{FFFD}"));
        rest = &from[style.map_or(1, |style| style.len())..];
    }
    out.push_str(&one_line(rest));
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use certmesh_text::one_line::HOSTILE;

    use super::*;

    #[test]
    fn numbers_are_grouped_by_thousands() {
        for (count, expected) in [
            (0, "0"),
            (999, "999"),
            (1_000, "1,000"),
            (7_512_000, "7,512,000"),
        ] {
            assert_eq!(grouped(count), expected);
        }
        assert_eq!(
            [0, 1, 2_000].map(|count| counted(count, "row")),
            ["0 rows", "1 row", "2,000 rows"]
        );
    }

    #[test]
    fn text_from_elsewhere_cannot_steer_the_terminal() {
        assert_eq!(
            printable("a\u{1b}[31mb\u{202e}c\nd公安局"),
            "a\u{FFFD}[31mb\u{FFFD}c\u{FFFD}d公安局"
        );
    }

    #[test]
    fn values_stand_in_one_column_whatever_the_labels_are_written_in() {
        let text = shown_on(Colour::Never, |screen| {
            let fields = [
                ("ZZMC", "a"),
                ("持证主体统一社会信用代码", "b"),
                ("性别", "女"),
            ];
            let fields = fields.map(|(label, value)| (label, value.to_owned()));
            screen.fields(fields).unwrap();
        });
        let before: Vec<usize> = text
            .lines()
            .map(|line| line.rsplit_once(' ').unwrap().0.width())
            .collect();
        assert_eq!(before, [24, 24, 24], "{text}");
    }

    fn shown_on(colour: Colour, show: impl FnOnce(&mut Screen)) -> String {
        let shared = std::rc::Rc::new(std::cell::RefCell::new(Vec::new()));
        let (out, err) = (Box::new(Tee(shared.clone())), Box::new(Tee(shared.clone())));
        let mut screen = Screen::over(Box::new(io::empty()), out, err);
        screen.configure(false, colour);
        show(&mut screen);
        String::from_utf8(shared.borrow().clone()).unwrap()
    }

    #[test]
    fn no_sink_lets_a_value_begin_a_line_or_steer_the_terminal() {
        for colour in [Colour::Never, Colour::Always] {
            let text = shown_on(colour, |screen| {
                screen.line(HOSTILE).unwrap();
                screen.field("label", HOSTILE).unwrap();
                screen.note(HOSTILE);
                screen.ask(HOSTILE).unwrap();
                screen.line("").unwrap();
                let painted = screen.paint(Tone::Bad, HOSTILE);
                screen.line(painted).unwrap();
                screen
                    .table(&["a"], &[], vec![vec![lines_cell([HOSTILE])]])
                    .unwrap();
            });
            let coloured = STYLES.iter().any(|style| text.contains(style));
            assert_eq!(coloured, colour == Colour::Always);
            let plain = STYLES
                .iter()
                .fold(text.clone(), |text, s| text.replace(s, ""));
            assert_eq!(plain.lines().count(), 7, "{plain:?}");
            let steering = |line: &&str| line.chars().any(one_line::steers);
            assert_eq!(plain.lines().find(steering), None);
        }
    }

    #[test]
    fn every_tone_is_shown_in_its_colour() {
        for tone in [
            Tone::Good,
            Tone::Bad,
            Tone::Doubt,
            Tone::Strong,
            Tone::Faint,
        ] {
            let painted = paint(true, tone, "x");
            assert_eq!(shown(true, &painted), painted);
        }
    }

    #[test]
    fn what_belongs_to_an_error_is_indented_and_no_line_is_forged_with_it() {
        let error = Error::Faults {
            what: "the network cannot be made",
            faults: vec![HOSTILE.to_owned(), "second".to_owned()],
        };
        let text = shown_on(Colour::Never, |screen| screen.report(&error));
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 4, "{text:?}");
        assert!(
            lines[1].starts_with("  - a\u{FFFD}error: forged"),
            "{text:?}"
        );
        assert_eq!(lines[2], "  - second");
    }

    #[test]
    fn columns_line_up_under_chinese_text() {
        let shared = std::rc::Rc::new(std::cell::RefCell::new(Vec::new()));
        let mut screen = Screen::over(
            Box::new(io::empty()),
            Box::new(Tee(shared.clone())),
            Box::new(io::sink()),
        );
        let rows = vec![
            vec![cell("公安局"), cell("x")],
            vec![cell("abc"), cell("x")],
        ];
        screen.table(&["name", "end"], &[], rows).unwrap();
        let text = String::from_utf8(shared.borrow().clone()).unwrap();
        let places: Vec<usize> = text
            .lines()
            .skip(1)
            .map(|line| unicode_width::UnicodeWidthStr::width(&line[..line.rfind('x').unwrap()]))
            .collect();
        assert_eq!(places, [8, 8], "{text}");
    }

    struct Tee(std::rc::Rc<std::cell::RefCell<Vec<u8>>>);

    impl Write for Tee {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.borrow_mut().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }
}
