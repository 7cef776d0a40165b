//! Single components of a save: `script/bench components`.

#![expect(clippy::expect_used, reason = "a benchmark stops at the first error")]

use std::hint::black_box;

use credential_keeper::bench_support::{
    BODIES, HashBench, KeyBench, RequestBench, headers, negotiate, read_save, write_texts,
};
use criterion::{Criterion, criterion_group, criterion_main};
use time::OffsetDateTime;

fn hash(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("hash");
    group.sample_size(20);
    let kernels =
        [("this machine's kernel", HashBench::new()), ("argon2 crate", HashBench::portable())];
    for (name, mut hasher) in kernels {
        group.bench_function(name, |bench| bench.iter(|| hasher.hash()));
    }
    group.finish();
}

fn keys(criterion: &mut Criterion) {
    let keys = KeyBench::new().expect("a keyring");
    #[expect(clippy::disallowed_methods, reason = "a token is verified against the real clock")]
    let now = OffsetDateTime::now_utc();
    let token = keys.issue_token(now).expect("a token");
    keys.verify_token(&token).expect("a valid token");
    keys.seal_and_unseal().expect("a sealed hash");
    criterion.bench_function("seal and unseal", |bench| bench.iter(|| keys.seal_and_unseal()));
    criterion.bench_function("token: issue", |bench| bench.iter(|| keys.issue_token(now)));
    criterion.bench_function("token: verify", |bench| bench.iter(|| keys.verify_token(&token)));
}

fn bodies(criterion: &mut Criterion) {
    let texts: Vec<String> = (0..20).map(|number| format!("text <{number}>")).collect();
    for (media_type, body) in BODIES {
        let headers = headers(media_type).expect("a media type");
        read_save(&headers, body).expect("a readable body");
        criterion.bench_function(&format!("{media_type}: negotiate"), |bench| {
            bench.iter(|| negotiate(black_box(&headers)));
        });
        criterion.bench_function(&format!("{media_type}: read a save"), |bench| {
            bench.iter(|| read_save(&headers, black_box(body)));
        });
        criterion.bench_function(&format!("{media_type}: write 20 texts"), |bench| {
            bench.iter(|| write_texts(&headers, black_box(&texts)));
        });
    }
}

fn requests(criterion: &mut Criterion) {
    let requests = RequestBench::default();
    let mut group = criterion.benchmark_group("request");
    group.bench_function("without metrics", |bench| bench.iter(|| requests.baseline()));
    group.bench_function("with metrics", |bench| bench.iter(|| requests.measure()));
    group.finish();
}

criterion_group!(components, hash, keys, bodies, requests);
criterion_main!(components);
