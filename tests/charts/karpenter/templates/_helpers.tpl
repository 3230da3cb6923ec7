{{- define "karpenter.fullname" -}}
{{- if contains .Chart.Name .Release.Name -}}
{{ .Release.Name | trunc 63 }}
{{- else -}}
{{ printf "%s-%s" .Release.Name .Chart.Name | trunc 63 }}
{{- end -}}
{{- end }}

{{- define "karpenter.account" -}}
{{ .Values.serviceAccount.name | default (include "karpenter.fullname" .) }}
{{- end }}

{{- define "karpenter.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "karpenter.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{ include "karpenter.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- end }}
