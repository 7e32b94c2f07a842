# The image of the daemon: Node.js, the bundle, and the programs of the kernel's packet filters.
#
#     docker build --tag mnpd --build-arg VERSION=0.1.0 .
#
# Both bases are Debian 12. Any other image of it serves as BASE; BUILD_BASE also needs /usr/local/bin/node
# (24) and npm. test/tools/build-image makes both out of Debian's packages, where no registry of images is reached.
ARG BUILD_BASE=docker.io/library/node:24-bookworm-slim
ARG BASE=docker.io/library/debian:bookworm-slim

FROM ${BUILD_BASE} AS build
WORKDIR /src
# For a network whose TLS is opened on the way: the certificates that npm is to trust besides its own.
ARG NODE_EXTRA_CA_CERTS
COPY package.json package-lock.json .npmrc ./
COPY packages packages
# No package's install script is needed: this stage has Node.js.
RUN npm ci --ignore-scripts --no-audit --no-fund
COPY build.ts LICENSE ./
COPY bin bin
COPY src src
RUN node build.ts && rm -f dist/*.map

# koffi stays outside the bundle, since it is native: of its packages npm has taken the one for this platform, and of
# its two builds the image needs the one for glibc.
WORKDIR /out/opt/mnpd
RUN cp -R /src/bin /src/dist /src/package.json /src/LICENSE . \
  && mkdir -p node_modules/koffi node_modules/@koromix \
  && cd /src/node_modules/koffi \
  && cp -R package.json LICENSE.txt index.cjs index.js src /out/opt/mnpd/node_modules/koffi/ \
  && cp -R ../@koromix/koffi-linux-* /out/opt/mnpd/node_modules/@koromix/ \
  && cd /out/opt/mnpd/node_modules \
  && rm -rf @koromix/*/musl_* \
  && find koffi -type f ! -name '*.js' ! -name '*.cjs' ! -name package.json ! -name LICENSE.txt -delete \
  && find koffi -depth -type d -empty -delete

# The names by which the manifests of both existing daemons, and charts and operators, call the program.
RUN mkdir -p /out/usr/bin \
  && printf '#!/bin/sh\nexec /opt/mnpd/bin/mnpd run --backend=iptables "$@"\n' >/out/usr/bin/multi-networkpolicy-iptables \
  && printf '#!/bin/sh\nexec /opt/mnpd/bin/mnpd run --backend=nftables "$@"\n' >/out/multi-networkpolicy-nftables \
  && chmod 755 /out/usr/bin/multi-networkpolicy-iptables /out/multi-networkpolicy-nftables \
  && ln -s /opt/mnpd/bin/mnpd /out/usr/bin/mnpd

FROM ${BASE}
RUN apt-get update \
  && DEBIAN_FRONTEND=noninteractive apt-get install --yes --no-install-recommends \
    ca-certificates conntrack iproute2 ipset iptables libstdc++6 nftables util-linux \
  && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/cache/debconf/*-old /var/log/*
COPY --from=build /usr/local/bin/node /usr/local/bin/node
COPY --from=build /out/ /

ARG VERSION=0.1.0
ARG REVISION=
LABEL org.opencontainers.image.title="multi-networkpolicyd" \
  org.opencontainers.image.description="Enforces MultiNetworkPolicy on the secondary interfaces of Kubernetes pods" \
  org.opencontainers.image.licenses="Apache-2.0" \
  org.opencontainers.image.version="${VERSION}" \
  org.opencontainers.image.revision="${REVISION}"
# Root, always: entering a pod's network namespace takes CAP_SYS_ADMIN and writing its rules CAP_NET_ADMIN. What a
# manifest adds for another user is lost at the first exec, since Kubernetes sets no ambient capabilities.
USER 0:0
# The root file system may be read-only. nft's input is a nameless file in /dev/shm, or in /tmp; iptables' legacy
# variant locks /run/xtables.lock.
ENV NODE_ENV=production
ENTRYPOINT ["/usr/bin/mnpd"]
