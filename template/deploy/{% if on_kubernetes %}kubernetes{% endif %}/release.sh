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
for job in $(kubectl get job --selector release=first --output name); do
    echo "Waiting for $job."
    ended=""
    while [ -z "$ended" ]; do
        sleep 2
        ended=$(kubectl get "$job" --output jsonpath='{.status.conditions[?(@.status=="True")].type}')
        case $ended in
            *Complete*) ;;
            *Failed*)
                kubectl logs "$job" --tail 100 || kubectl describe "$job"
                echo "$job failed: the site goes on with the release before." >&2
                exit 1
                ;;
            *) ended="" ;;
        esac
    done
done
kubectl apply --kustomize deploy

# New variables in the ConfigMap change its name, and so the pods; those in the Secret do it here.
secret=$(kubectl get secret site --output jsonpath='{.metadata.resourceVersion}')
kubectl patch deployment site --patch \
    "{\"spec\": {\"template\": {\"metadata\": {\"annotations\": {\"secret\": \"$secret\"}}}}}"
kubectl rollout status deployment/site --timeout 15m
