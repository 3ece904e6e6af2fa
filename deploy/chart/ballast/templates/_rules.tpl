{{/*
What the controller may do in the namespaces it watches: the rules of a ClusterRole, or of a Role in each of them. No Secrets here:
those are named one by one in rbac.secrets.
*/}}
{{- define "ballast.rules" -}}
# Policies. Those of annotations are made, changed and deleted by the controller.
- apiGroups: [ballast.dev]
  resources: [scalepolicies]
  verbs: [list, watch, create, patch, delete]
- apiGroups: [ballast.dev]
  resources: [scalepolicies/status]
  verbs: [patch]
# Where Prometheus is, and whether it answers.
- apiGroups: [ballast.dev]
  resources: [metricsources]
  verbs: [list, watch]
- apiGroups: [ballast.dev]
  resources: [metricsources/status]
  verbs: [patch]
# Pods and their owners: read only. One workload is got by name to see who set its size, if the controller itself did not.
- apiGroups: [""]
  resources: [pods]
  verbs: [list, watch]
- apiGroups: [""]
  resources: [replicationcontrollers]
  verbs: [get, list, watch]
- apiGroups: [apps]
  resources: [deployments, statefulsets, replicasets]
  verbs: [get, list, watch]
# Sizes: the scale subresources, not the workloads, whose own size is known from the watch.
- apiGroups: [apps]
  resources: [deployments/scale, statefulsets/scale, replicasets/scale]
  verbs: [patch]
- apiGroups: [""]
  resources: [replicationcontrollers/scale]
  verbs: [patch]
{{- range .Values.rbac.extraScaleResources }}
- apiGroups: [{{ .apiGroup | quote }}]
  resources: [{{ printf "%s/scale" .resource | quote }}]
  verbs: [get, patch]
- apiGroups: [{{ .apiGroup | quote }}]
  resources: [{{ .resource | quote }}]
  verbs: [get]
{{- end }}
# An HPA of the same target is a conflict that is reported.
- apiGroups: [autoscaling]
  resources: [horizontalpodautoscalers]
  verbs: [list, watch]
# Metrics. Adapters name the resources of the latter two after metrics, so they can't be listed. A custom metric is got of named objects (of all
# pods: of the name "*"), an external one is listed.
- apiGroups: [metrics.k8s.io]
  resources: [pods]
  verbs: [list]
- apiGroups: [custom.metrics.k8s.io]
  resources: ["*"]
  verbs: [get]
- apiGroups: [external.metrics.k8s.io]
  resources: ["*"]
  verbs: [list]
# Events on policies and their targets.
- apiGroups: [""]
  resources: [events]
  verbs: [create, patch]
{{- end }}

{{/*
A Role and RoleBinding per namespace that let the controller get objects by name.
Parameters: root, resource (secrets or configmaps), entries (list of namespace and names).
*/}}
{{- define "ballast.namedReads" -}}
{{- $names := dict }}
{{- range .entries }}
{{- $_ := set $names .namespace (concat (get $names .namespace | default list) .names | uniq | sortAlpha) }}
{{- end }}
{{- $root := .root }}
{{- $resource := .resource }}
{{- $name := printf "%s-%s" (include "ballast.fullname" $root) $resource }}
{{- range $namespace, $names := $names }}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata:
  name: {{ $name }}
  namespace: {{ $namespace }}
  labels: {{- include "ballast.labels" $root | nindent 4 }}
rules:
- apiGroups: [""]
  resources: [{{ $resource }}]
  resourceNames: {{ toJson $names }}
  verbs: [get]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata:
  name: {{ $name }}
  namespace: {{ $namespace }}
  labels: {{- include "ballast.labels" $root | nindent 4 }}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: Role
  name: {{ $name }}
subjects: {{- include "ballast.subject" $root | nindent 0 }}
{{- end }}
{{- end }}
