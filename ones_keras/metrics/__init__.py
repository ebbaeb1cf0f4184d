from ones_keras.metrics.agreement import TeacherAgreement, teacher_agreement
from ones_keras.metrics.moe_benefits import MoEBenefits, moe_benefits

__all__ = [
    "MoEBenefits",
    "TeacherAgreement",
    "moe_benefits",
    "teacher_agreement",
]
