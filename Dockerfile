# syntax=docker/dockerfile:1
# One image for all processes of the fleet:
#   docker run IMAGE api | worker --stages submit,poll | migrate

FROM node:24-bookworm-slim AS sources
WORKDIR /app
COPY package.json package-lock.json ./
COPY packages/client/package.json packages/client/
COPY packages/disk/package.json packages/disk/
COPY packages/local-aws/package.json packages/local-aws/

# dist/npm is JavaScript, as `npm pack` has it: a process starts faster, and the image holds no sources. /opt/batchwell is
# the folder that hosts provide to their tasks: the stager with its own Node, loader and shell.
FROM sources AS build
RUN apt-get update && apt-get install -y --no-install-recommends busybox-static && rm -rf /var/lib/apt/lists/*
RUN --mount=type=cache,target=/root/.npm npm ci --no-audit --no-fund
COPY . .
RUN node scripts/pack.ts \
  && npm run build:stager \
  && node -e "import('/app/stager/host-folder.ts').then(({ assembleHostFolder }) => assembleHostFolder('/opt/batchwell'))"

# Optional dependencies are a second Node, which the image does not need, and native add-ons with install scripts.
FROM sources AS production-modules
RUN --mount=type=cache,target=/root/.npm npm ci --omit=dev --omit=optional --ignore-scripts --no-audit --no-fund \
  && rm -rf node_modules/@batchwell \
  && find node_modules -type f \( -name '*.map' -o -name '*.d.ts' -o -name '*.d.mts' -o -name '*.d.cts' -o -name '*.md' \) -delete

FROM node:24-bookworm-slim AS fleet
# 0.0.0.0: Prometheus runs in another container.
ENV NODE_ENV=production HOST=0.0.0.0 PORT=8000 BATCHWELL_METRICS_HOST=0.0.0.0 BATCHWELL_METRICS_PORT=9464
# See cli/stack/service-memory.ts for the reason.
ENV NODE_OPTIONS="--max-semi-space-size=8 --max-old-space-size=1024"
WORKDIR /app
COPY --from=production-modules /app/node_modules ./node_modules
COPY --from=build /app/dist/npm ./
COPY --from=build /app/dist/stager.mjs ./dist/
# With `exec`, node itself gets SIGTERM and finishes its messages.
RUN printf '#!/bin/sh\nexec node /app/cli/main.js "$@"\n' >/usr/local/bin/batchwell && chmod 755 /usr/local/bin/batchwell
USER node
EXPOSE 8000 9464
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s CMD node /app/cli/healthcheck.js "$PORT" "$BATCHWELL_METRICS_PORT"
ENTRYPOINT ["batchwell"]
CMD ["--help"]

# S3 and Batch for a laptop without an AWS account. It runs the tasks itself, in a sandbox, for which its container needs
# the rights that docker-compose.yml gives it. Debian's proot is too old to do without them.
FROM fleet AS local-aws
USER root
RUN apt-get update \
  && apt-get install -y --no-install-recommends bubblewrap \
  && rm -rf /var/lib/apt/lists/* \
  && mkdir /data && chown node:node /data
COPY --from=build /opt/batchwell /opt/batchwell
USER node
VOLUME /data
EXPOSE 9000 9001
HEALTHCHECK --interval=30s --timeout=5s --start-period=60s CMD node -e "fetch('http://127.0.0.1:9000/').then(() => process.exit(0), () => process.exit(1))"
ENTRYPOINT ["node", "packages/local-aws/main.js"]
CMD ["--host", "0.0.0.0", "--data", "/data"]

# The default target is the fleet.
FROM fleet
