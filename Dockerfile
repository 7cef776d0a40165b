# script/compose-pin sets the digests of the two base images in .env.
ARG RUST_IMAGE=docker.io/library/rust:1-bookworm
ARG RUNTIME_IMAGE=gcr.io/distroless/cc-debian12:nonroot
# The stage with the binary. compiled: compile the sources. prebuilt: copy the file that
# script/release wrote on this machine.
ARG BINARY=compiled

# The compiler and its dependencies stay in this stage.
FROM ${RUST_IMAGE} AS compiled
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
COPY script/advisories script/release script/setup ./script/
RUN script/setup binary && script/release binary

FROM scratch AS prebuilt
COPY target/dist/credential-keeper /source/target/dist/credential-keeper

FROM ${BINARY} AS binary

# Runtime stage: the C library and the binary, without a shell, a package manager or root.
FROM ${RUNTIME_IMAGE}
COPY --from=binary /source/target/dist/credential-keeper /usr/local/bin/credential-keeper
USER nonroot
EXPOSE 8080
HEALTHCHECK --interval=5s --timeout=6s --start-period=10s \
    CMD ["/usr/local/bin/credential-keeper", "health"]
ENTRYPOINT ["/usr/local/bin/credential-keeper"]
CMD ["serve"]
