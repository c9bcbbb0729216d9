# Three stages: compile with everything, install what runs, keep only that. No step needs an install script.

FROM node:24-bookworm-slim AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
COPY packages/verify/package.json packages/verify/
COPY examples/api/package.json examples/api/
COPY examples/web-app/package.json examples/web-app/
RUN npm ci
COPY . .
RUN node scripts/build.mjs

FROM node:24-bookworm-slim AS dependencies
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
# Without workspaces, since what an example depends on counts as production. `prisma` and `typescript` are optional peers of the
# Prisma client: compiled output needs neither, and leaving them out leaves out the binary of argon2 for this platform too, which is
# brought back.
RUN npm pkg delete workspaces && npm ci --omit=dev --omit=optional
COPY --from=build /app/node_modules/@node-rs ./node_modules/@node-rs
# Source maps, types, and builds for browsers and other databases: two thirds of it all.
COPY scripts/prune.mjs scripts/
RUN node scripts/prune.mjs node_modules

FROM node:24-bookworm-slim
LABEL org.opencontainers.image.title="Daemun" \
      org.opencontainers.image.description="A standalone OpenID Connect identity provider" \
      org.opencontainers.image.licenses="MIT"
ENV NODE_ENV=production HOST=0.0.0.0 PORT=3000
WORKDIR /app
# Owned by root and written by nobody: the service writes no file when it has PostgreSQL, so the root may be read-only.
COPY --from=dependencies /app/node_modules ./node_modules
COPY --from=build /app/dist ./dist
COPY --from=build /app/bin ./bin
COPY package.json LICENSE ./
COPY prisma/migrations ./prisma/migrations
COPY interactions ./interactions
# Only the embedded database needs a volume, mounted here, and DATA_DIR=/data/database: a new volume takes over whose folder it is.
# `npx daemun` would write to a home folder; here it is `daemun`.
RUN install --directory --owner=1000 --group=1000 --mode=0700 /data && ln -s /app/bin/daemun.mjs /usr/local/bin/daemun
# By number, so that Kubernetes can see that it is not root.
USER 1000:1000
EXPOSE 3000
# Node is process 1 and has handlers of its own for SIGTERM and SIGINT.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=20s \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.PORT}/healthz`).then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
CMD ["node", "dist/main.js"]
