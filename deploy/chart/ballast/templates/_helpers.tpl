{{- define "ballast.name" -}}
{{- if contains "ballast" .Release.Name }}{{ .Release.Name | trunc 52 | trimSuffix "-" }}{{ else }}{{ printf "%s-ballast" .Release.Name | trunc 52 | trimSuffix "-" }}{{ end -}}
{{- end }}

{{- define "ballast.selector" -}}
app.kubernetes.io/name: ballast
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "ballast.labels" -}}
{{ include "ballast.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- define "ballast.serviceAccount" -}}
{{- .Values.serviceAccount.name | default (ternary (include "ballast.name" .) "default" .Values.serviceAccount.create) -}}
{{- end }}

{{/* What the controller may do with what it watches and scales. */}}
{{- define "ballast.rules" -}}
- apiGroups: [ballast.dev]
  resources: [scalepolicies]
  verbs: [get, list, watch, create, patch, delete] # create, patch, delete: policies made from annotations
- apiGroups: [ballast.dev]
  resources: [scalepolicies/status]
  verbs: [patch]
- apiGroups: [ballast.dev]
  resources: [metricsources]
  verbs: [get]
- apiGroups: [""]
  resources: [pods, replicationcontrollers]
  verbs: [list, watch]
- apiGroups: [apps]
  resources: [deployments, statefulsets, replicasets]
  verbs: [list, watch]
- apiGroups: [apps]
  resources: [deployments/scale, statefulsets/scale, replicasets/scale]
  verbs: [patch]
- apiGroups: [""]
  resources: [replicationcontrollers/scale]
  verbs: [patch]
{{- range .Values.rbac.extraScaleResources }}
- apiGroups: [{{ .apiGroup | quote }}]
  resources: [{{ printf "%s/scale" .resource }}]
  verbs: [get, patch]
{{- end }}
- apiGroups: [autoscaling]
  resources: [horizontalpodautoscalers]
  verbs: [list, watch] # to see that a target has two masters
- apiGroups: [metrics.k8s.io]
  resources: [pods]
  verbs: [list]
- apiGroups: [custom.metrics.k8s.io, external.metrics.k8s.io]
  resources: ["*"] # metrics are resources of these groups, and their names are not known beforehand
  verbs: [get, list]
- apiGroups: [""]
  resources: [events]
  verbs: [create, patch]
{{- end }}
