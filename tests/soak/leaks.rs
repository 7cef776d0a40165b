//! The measurements and the trend find a process that leaks, and only that one.

use std::{
    io::{BufRead, BufReader, Write},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

use crate::{
    process::resident_kib,
    samples::entries,
    trend::{Point, Trend, Verdict},
};

/// A program that keeps memory, a thread and a descriptor in each turn, or gives them back. A line
/// of input is a turn, and a line of output its end.
const PROGRAM: &str = "
import sys, threading
leaks, kept, end = sys.argv[1] == 'leaks', [], threading.Event()
for _ in sys.stdin:
    thread = threading.Thread(target=end.wait if leaks else int, daemon=True)
    thread.start()
    turn = (bytearray(b'x' * 65536), open('/dev/null'), thread)
    if leaks:
        kept.append(turn)
    else:
        thread.join()
        turn[1].close()
    print('done', flush=True)
";

/// The turns that load what the program needs.
const FIRST_TURNS: u32 = 30;

/// The turns that are measured. They stand for an hour: the clock of a busy machine would make the
/// result depend on its load, and one page in a second would be megabytes in an hour.
const TURNS: u32 = 100;

/// The largest growth that counts as flat: MiB, threads or descriptors in [`TURNS`].
const BOUND: f64 = 2.0;

/// A started program, which is killed in the end.
struct Program {
    process: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Program {
    fn start(argument: &str) -> Self {
        let mut command = Command::new("python3");
        command.args(["-c", PROGRAM, argument]).stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut process = command.spawn().expect("python3");
        let input = process.stdin.take().expect("its input");
        let output = BufReader::new(process.stdout.take().expect("its output"));
        Self { process, input, output }
    }

    /// Waits until the program has made a turn.
    fn turn(&mut self) {
        writeln!(self.input).expect("a line of input");
        let mut line = String::new();
        self.output.read_line(&mut line).expect("a line");
        assert_eq!(line, "done\n");
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The trends of memory in MiB, threads and descriptors of the program.
fn trends(argument: &str) -> [Trend; 3] {
    let mut program = Program::start(argument);
    (0..FIRST_TURNS).for_each(|_| program.turn());
    let process = program.process.id();
    let mut series: [Vec<Point>; 3] = Default::default();
    for turn in 0..TURNS {
        program.turn();
        let hours = f64::from(turn) / f64::from(TURNS);
        let values =
            [resident_kib(process) / 1024.0, entries(process, "task"), entries(process, "fd")];
        for (series, value) in series.iter_mut().zip(values) {
            series.push(Point { hours, value });
        }
    }
    series.map(|series| Trend::of(&series).expect("enough samples"))
}

#[test]
fn a_process_that_leaks_is_found() {
    for trend in trends("leaks") {
        assert_eq!(trend.verdict(BOUND), Verdict::Growing, "{trend:?}");
    }
}

#[test]
fn a_process_that_gives_everything_back_is_not_taken_for_a_leak() {
    for trend in trends("returns") {
        assert_ne!(trend.verdict(BOUND), Verdict::Growing, "{trend:?}");
    }
}
