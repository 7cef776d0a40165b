//! The measurements and the trend find a process that leaks, and only that one.

use std::{
    io::{BufRead, BufReader},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use crate::{
    process::resident_kib,
    samples::entries,
    trend::{Point, Trend, Verdict},
};

/// A program that keeps memory, a thread and a descriptor in each turn, or gives them back.
const PROGRAM: &str = "
import sys, threading, time
leaks, kept, end = sys.argv[1] == 'leaks', [], threading.Event()
print('ready', flush=True)
while True:
    thread = threading.Thread(target=end.wait if leaks else int, daemon=True)
    thread.start()
    turn = (bytearray(65536), open('/dev/null'), thread)
    if leaks:
        kept.append(turn)
    else:
        thread.join()
        turn[1].close()
    time.sleep(0.01)
";

/// A started program, which is killed in the end.
struct Program(Child);

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The trends of memory in MiB, threads and descriptors of the program.
fn trends(argument: &str) -> [Trend; 3] {
    let mut command = Command::new("python3");
    command.args(["-c", PROGRAM, argument]).stdout(Stdio::piped());
    let mut program = Program(command.spawn().expect("python3"));
    let mut output = BufReader::new(program.0.stdout.take().expect("its output"));
    let mut line = String::new();
    output.read_line(&mut line).expect("a line");
    // The first turns load what the program needs.
    std::thread::sleep(Duration::from_millis(300));
    let (process, begin) = (program.0.id(), Instant::now());
    let mut series: [Vec<Point>; 3] = Default::default();
    for _ in 0..100 {
        std::thread::sleep(Duration::from_millis(10));
        let hours = begin.elapsed().as_secs_f64() / 3600.0;
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
        assert_eq!(trend.verdict(2.0), Verdict::Growing, "{trend:?}");
    }
}

#[test]
fn a_process_that_gives_everything_back_is_not_taken_for_a_leak() {
    for trend in trends("returns") {
        assert_ne!(trend.verdict(2.0), Verdict::Growing, "{trend:?}");
    }
}
