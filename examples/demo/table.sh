# What demo.sh shows of its three policies, and checks. Sourced after lib.sh.

# The three Deployments, and the policy of each.
deployments=(go-app go-app-deployment myapp-deployment)
declare -A policy_of=([go-app]=go-app.deployment [go-app-deployment]=go-app-deployment [myapp-deployment]=myapp-deployment)

# One field of a policy, empty while it is not there.
policy() { kubectl get scalepolicy "${policy_of[$1]}" -o jsonpath="$2" 2>/dev/null || true; }

table_head() { printf '%5s  %-18s %8s %7s  %-44s %-9s %s\n' time deployment replicas wanted metrics verdict reason; }

# One line per policy: replicas, demand, decision, reason.
table_rows() {
  local deployment row replicas wanted metrics verdict reason
  for deployment in "${deployments[@]}"; do
    row=$(policy "$deployment" '{.status.currentReplicas}{"\t"}{.status.desiredReplicas}{"\t"}{.status.metricsText}{"\t"}{.status.decision.verdict}{"\t"}{.status.decision.message}')
    IFS=$'\t' read -r replicas wanted metrics verdict reason <<<"${row//$'\t\t'/$'\t-\t'}"
    printf '%4ds  %-18s %8s %7s  %-44s %-9s %s\n' $((SECONDS - table_start)) "$deployment" "${replicas:--}" "${wanted:--}" "${metrics:--}" "${verdict:--}" "${reason:--}"
  done
}

# Prints the table, every 3 s where something changed, until the condition holds or the seconds are over.
table_until() {
  local limit=$1 condition=$2 end=$((SECONDS + $1)) rows last='' plain
  : "${table_start:=$SECONDS}"
  table_head
  while true; do
    rows=$(table_rows)
    # Times move by themselves; a row is news if anything else did.
    plain=$(cut -c7- <<<"$rows")
    if [[ $plain != "$last" ]]; then printf '%s\n\n' "$rows"; last=$plain; fi
    "$condition" && return 0
    ((SECONDS < end)) || return 1
    sleep 3
  done
}

# The page on which a policy's size is explained, as any user gets it.
explain() {
  say "ballast explain ${policy_of[$1]}"
  ballast explain "${policy_of[$1]}"
  echo
}

# Whether a policy has scaled out, or is held by its scale-down window; `telling` is then its Deployment.
some_scaled_out() { some '{.status.scaleEvents[0].to}' '[0-9]+'; }
some_held() { some '{.status.decision.heldBy}' Stabilized; }
some() {
  for telling in "${deployments[@]}"; do
    [[ ! $(policy "$telling" "$1") =~ ^$2$ ]] || return 0
  done
  return 1
}

all_known() {
  local deployment
  for deployment in "${deployments[@]}"; do
    [[ $(policy "$deployment" '{.status.conditions[?(@.type=="ScalingActive")].status}') == True ]] || return 1
  done
}

load_ended() {
  local pid
  for pid in "${loads[@]}"; do kill -0 "$pid" 2>/dev/null && return 1; done
  return 0
}

all_scaled_in() {
  local deployment
  for deployment in "${deployments[@]}"; do
    [[ $(policy "$deployment" '{.status.currentReplicas}') == "$(policy "$deployment" '{.spec.minReplicas}')" ]] || return 1
  done
}

show_all() {
  say "kubectl get sp"
  kubectl get sp
  say "kubectl describe scalepolicy myapp-deployment"
  kubectl describe scalepolicy myapp-deployment
  for deployment in "${deployments[@]}"; do
    say "kubectl describe deployment $deployment (its Events)"
    kubectl describe deployment "$deployment" | sed -n '/^Events:/,$p'
  done
}

# Every look of the controller, decided again from what Prometheus has of it.
replay_all() {
  local deployment
  for deployment in "${deployments[@]}"; do
    say "ballast replay ${policy_of[$deployment]} --open-loop"
    ballast replay "${policy_of[$deployment]}" --prometheus "$PROMETHEUS_URL" --from -15m --no-cache --open-loop --downscale-stabilization=20s
  done
}

# Every policy scaled out and in, said so on itself and on the Deployment with numbers, and no request was lost.
check_promises() {
  local deployment events ups downs
  say "what was promised"
  for deployment in "${deployments[@]}"; do
    events=$(policy "$deployment" '{range .status.scaleEvents[*]}{.from}{" "}{.to}{" "}{.reason}{"\n"}{end}')
    ups=$(awk '$2 > $1 && /[0-9]/' <<<"$events" | grep -c 'New size' || true)
    downs=$(awk '$2 < $1 && /[0-9]/' <<<"$events" | grep -c 'New size' || true)
    promise "$deployment: scale-outs $ups, scale-ins $downs" $((ups > 0 && downs > 0))
    ups=$(kubectl get events --field-selector "involvedObject.kind=Deployment,involvedObject.name=$deployment,reason=SuccessfulRescale" \
      -o jsonpath='{range .items[?(@.source.component=="ballast")]}{.message}{"\n"}{end}' | grep -cE 'New size: [0-9]+ \(was [0-9]+\): .*[0-9]' || true)
    promise "$deployment: Events with numbers on the Deployment: $ups" $((ups >= 2))
    grep -q '\[200\]' "$work/load-$deployment" || { echo "no answers:"; cat "$work/load-$deployment"; missed=1; }
    promise "$deployment: $(grep -E '\[200\]' "$work/load-$deployment" | xargs)" $(($(grep -cE '\[[345][0-9][0-9]\][[:space:]]+[0-9]+ responses' "$work/load-$deployment" || true) == 0))
  done
  # With demand and the last decisions, which only the controller knows.
  promise "ballast explain asks the controller" "$(ballast explain "${policy_of[go-app]}" | grep -c 'wanted by the signals' || true)"
}
