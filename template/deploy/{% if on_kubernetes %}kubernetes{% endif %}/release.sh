#!/bin/sh
# Bring a release into production while the site goes on serving. Set its image in
# deploy/kustomization.yaml, then: sh deploy/kubernetes/release.sh
#
# The old pods serve until the new ones are ready. A migration runs while they do: it may add, but
# not take away, what they use.
set -eu
cd "$(dirname "$0")/../.."

kubectl delete job --selector release=first --ignore-not-found
kubectl apply --kustomize deploy --selector release=first
kubectl wait job --selector release=first --for condition=complete --timeout 15m
kubectl apply --kustomize deploy
kubectl rollout status deployment/site --timeout 15m
