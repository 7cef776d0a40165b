# Build stage: the compiler and its dependencies stay here.
FROM docker.io/library/rust:1-bookworm AS build
WORKDIR /source
COPY Cargo.toml Cargo.lock build.rs ./
COPY .sqlx ./.sqlx
COPY assets ./assets
COPY config ./config
COPY locales ./locales
COPY migrations ./migrations
COPY crates ./crates
COPY src ./src
COPY templates ./templates
# Cargo requires the files of every declared target, although this build does not compile these.
COPY tests ./tests
COPY benches ./benches
COPY script/release ./script/release
RUN script/release

# Runtime stage: the C library and the binary, without a shell, a package manager or root.
FROM gcr.io/distroless/cc-debian12:nonroot
COPY --from=build /source/target/dist/credential-keeper /usr/local/bin/credential-keeper
USER nonroot
EXPOSE 8080
HEALTHCHECK --interval=10s --timeout=6s --start-period=10s \
    CMD ["/usr/local/bin/credential-keeper", "health"]
ENTRYPOINT ["/usr/local/bin/credential-keeper"]
CMD ["serve"]
